// What a page can do with a script and must not need it for: copy a text, open all for the printer.
(() => {
  "use strict";
  document.querySelectorAll("button[data-copies]").forEach((button) => {
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copies).innerText;
      let done = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        done = document.execCommand("copy");
        area.remove();
        button.focus();
      }
      button.textContent = done ? "Copied" : "Select the text and copy it";
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  });
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
})();
