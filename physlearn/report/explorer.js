// Zoom, pan and ask the picture. Without this script the picture stands with all its marks.
(() => {
  "use strict";
  const figure = document.getElementById("explorer");
  if (!figure || typeof Panzoom !== "function") return;
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const view = figure.querySelector(".view");
  const canvas = figure.querySelector(".canvas");
  const svg = canvas.querySelector("svg");
  const box = svg.viewBox.baseVal;
  const readout = figure.querySelector("output");
  const here = svg.querySelector(".here");
  const tints = svg.querySelector(".tints");
  const hint = readout.textContent;
  figure.querySelectorAll("[hidden]").forEach((part) => { part.hidden = false; });

  const panzoom = Panzoom(canvas, {
    minScale: 1, maxScale: Math.max(8, box.width / 60), contain: "outside", step: 0.35,
    panOnlyWhenZoomed: true, touchAction: "pan-x pan-y", cursor: "grab",
    animate: !matchMedia("(prefers-reduced-motion: reduce)").matches, duration: 120,
  });
  canvas.addEventListener("panzoomchange", (event) => {
    const near = event.detail.scale > 1.001;
    canvas.style.touchAction = view.style.touchAction = near ? "none" : "pan-x pan-y";
    figure.style.setProperty("--scale", event.detail.scale);
  });
  view.addEventListener("pointerdown", () => view.focus({ preventScroll: true }));
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    panzoom.zoomWithWheel(event);
  }, { passive: false });

  const said = (value) => (value === null ? "not known" : Math.abs(value) < 1e-12 ? "0" : String(+value.toPrecision(4)).replace("-", "−"));
  const place = (at) => [0, 1].map((i) => data.origin[i] + (at[i] - 0.5) * data.step[i]);
  const marks = () => (figure.querySelector("input[name=marks]:checked") || {}).value;

  function atomText(i) {
    const a = data.atoms, xy = place(a.at[i]), unit = data.unit;
    const sd = a.sd ? a.sd[i] : [null, null];
    const at = ["x", "y"].map((name, k) => `${name} ${said(xy[k])}${sd[k] === null ? "" : ` ± ${said(sd[k])}`}`);
    const kind = a.names.length ? a.names[a.kind[i]] : "column";
    let chance = "";
    if (a.chance && a.names.length) {
      const p = a.chance[i];
      chance = `, probability ${p > 0.9995 ? "above 0.999" : p.toFixed(3)}`;
    }
    return `Atom ${a.id ? a.id[i] : i}: ${kind}${chance}; ${at.join(", ")} ${unit} (± one standard deviation).`;
  }
  function patchText(i) {
    const p = data.patches, xy = place(p.at[i]);
    const values = p.columns.map((c) =>
      `${c.name} ${said(c.values[i])}${c.sd === null ? "" : ` ± ${said(c.sd)}`} ${c.unit}`.trim());
    return `Patch ${i} at x ${said(xy[0])}, y ${said(xy[1])} ${data.unit}: ${values.join("; ")}.`;
  }
  function nearest(list, x, y, reach) {
    let best = -1, least = reach * reach;
    for (let i = 0; i < list.length; i += 1) {
      const d = (list[i][0] - x) ** 2 + (list[i][1] - y) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }
  function ask(clientX, clientY, far) {
    const frame = svg.getBoundingClientRect();
    const x = ((clientX - frame.left) / frame.width) * box.width;
    const y = ((clientY - frame.top) / frame.height) * box.height;
    const which = marks();
    let i = -1, text = "";
    here.setAttribute("visibility", "hidden");
    if (which === "patches" && data.patches) {
      const edge = data.patches.edge;
      i = nearest(data.patches.at, x, y, far ? Infinity : 0.75 * edge);
      if (i >= 0) { text = patchText(i); frameAt(data.patches.at[i], edge / 2); }
    } else if (which === "atoms" && data.atoms) {
      const r = data.atoms.radius;
      i = nearest(data.atoms.at, x, y, far ? Infinity : 2.2 * r);
      if (i >= 0) { text = atomText(i); frameAt(data.atoms.at[i], 1.25 * r); }
    }
    if (text || far) readout.textContent = text || hint;
  }
  function frameAt(at, half) {
    for (const [name, value] of [["x", at[0] - half], ["y", at[1] - half], ["width", 2 * half], ["height", 2 * half]]) {
      here.setAttribute(name, value);
    }
    here.setAttribute("visibility", "visible");
  }
  function askMiddle() {
    const frame = view.getBoundingClientRect();
    ask(frame.left + frame.width / 2, frame.top + frame.height / 2, true);
  }
  view.addEventListener("pointermove", (event) => ask(event.clientX, event.clientY, false));
  view.addEventListener("click", (event) => ask(event.clientX, event.clientY, false));

  let later = 0;
  const soon = () => { clearTimeout(later); later = setTimeout(askMiddle, 180); };
  const acts = {
    in: () => panzoom.zoomIn(), out: () => panzoom.zoomOut(), all: () => panzoom.reset(),
    left: () => move(1, 0), right: () => move(-1, 0), up: () => move(0, 1), down: () => move(0, -1),
  };
  function move(dx, dy) {
    const step = 0.15 * view.clientWidth / panzoom.getScale();
    panzoom.pan(dx * step, dy * step, { relative: true });
  }
  const keys = { "+": "in", "=": "in", "-": "out", "_": "out", 0: "all", ArrowLeft: "left",
    ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
  view.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      here.setAttribute("visibility", "hidden");
      readout.textContent = hint;
      acts.all();
      view.blur();
      return;
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    acts[act]();
    soon();
  });
  view.addEventListener("focus", () => { if (view.matches(":focus-visible")) soon(); });
  figure.querySelectorAll("button[data-act]").forEach((button) => {
    button.addEventListener("click", () => { acts[button.dataset.act](); soon(); });
  });

  // cividis, which people of every colour vision read alike
  const scale = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
  const color = (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (scale.length - 1), i = Math.min(Math.floor(at), scale.length - 2);
    return `rgb(${scale[i].map((low, k) => Math.round(low + (at - i) * (scale[i + 1][k] - low))).join()})`;
  };
  const chosen = figure.querySelector("select");
  function tint() {
    tints.replaceChildren();
    if (!chosen || chosen.value === "") return;
    const { at, edge, columns } = data.patches, values = columns[chosen.value].values;
    const known = values.filter((v) => v !== null).sort((a, b) => a - b);
    const low = known[Math.floor(0.02 * known.length)], high = known[Math.ceil(0.98 * known.length) - 1];
    values.forEach((value, i) => {
      if (value === null) return;
      const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, v] of [["x", at[i][0] - edge / 2], ["y", at[i][1] - edge / 2], ["width", edge],
        ["height", edge], ["fill", color((value - low) / (high - low || 1))]]) part.setAttribute(name, v);
      tints.append(part);
    });
    const c = columns[chosen.value];
    readout.textContent = `Patches coloured by ${c.name}: dark blue ${said(low)}, yellow ${said(high)} ${c.unit}.`;
  }
  if (chosen) chosen.addEventListener("change", tint);
})();
