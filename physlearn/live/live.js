"use strict";
(() => {
  const script = document.getElementById("live-script");
  const connection = document.getElementById("connection");
  const announce = document.getElementById("announce");
  const pause = document.getElementById("pause");
  const ASK_MS = 1000, SLOW_MS = 5000, SAY_MS = 20000;
  let version = Number(script.dataset.version);
  let paused = false, failures = 0, saidAt = 0, saidText = "";

  function show(text, kind) {
    if (connection.textContent !== text) connection.textContent = text;
    connection.className = "live-dot" + (kind ? " " + kind : "");
  }

  function put(id, html) {
    const part = document.getElementById(id);
    if (!part) return;
    const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
    const inside = part.contains(document.activeElement) ? document.activeElement : null;
    const place = inside ? [...part.querySelectorAll("[tabindex], summary")].indexOf(inside) : -1;
    const scrolled = [...part.querySelectorAll(".wide")].map((one) => one.scrollLeft);
    part.innerHTML = html;
    open.forEach((name) => { const one = document.getElementById(name); if (one) one.open = true; });
    part.querySelectorAll(".wide").forEach((one, k) => { one.scrollLeft = scrolled[k] || 0; });
    if (place >= 0) part.querySelectorAll("[tabindex], summary")[place]?.focus();
  }

  function say() {
    // Heard at most three times a minute: a listener must be able to think
    const now = Date.now();
    if (!saidText || now - saidAt < SAY_MS) return;
    announce.textContent = saidText;
    saidText = ""; saidAt = now;
  }

  async function ask() {
    if (!paused) {
      try {
        const answer = await fetch("/state?since=" + version,
          { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(8000) });
        if (answer.status === 200) {
          const news = await answer.json();
          Object.entries(news.parts).forEach(([id, html]) => put(id, html));
          version = news.version;
          document.title = news.title;
          if (news.said) saidText = news.said;
        } else if (answer.status !== 204) {
          throw new Error(String(answer.status));
        }
        failures = 0;
        show("Live", "");
      } catch (error) {
        failures += 1;
        if (String(error.message) === "403") show("This page belongs to an earlier watch. Open the address that the new one printed.", "gone");
        else if (failures > 1) show("Not connected: the watch has stopped, or its machine is busy. What is shown may be old.", "gone");
      }
    }
    say();
    setTimeout(ask, document.hidden || failures > 2 ? SLOW_MS : ASK_MS);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    show(paused ? "Paused" : "Live", paused ? "paused" : "");
  });
  setTimeout(ask, ASK_MS);
})();
