// Dark or light: the system's choice until a reader makes another. Loaded before the page is drawn.
"use strict";
(() => {
  const root = document.documentElement;
  const remember = (value) => { try { localStorage.setItem("exp2proc-theme", value); } catch { /* private window */ } };
  try {
    const kept = localStorage.getItem("exp2proc-theme");
    if (kept) root.dataset.theme = kept;
  } catch { /* private window */ }

  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

  const toggle = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    root.dispatchEvent(new CustomEvent("theme"));
  };

  addEventListener("DOMContentLoaded", () => {
    const help = document.getElementById("help");
    const ask = () => (help.open ? help.close() : help.showModal());
    document.getElementById("theme-button").addEventListener("click", toggle);
    document.getElementById("help-button").addEventListener("click", ask);
    document.getElementById("help-close").addEventListener("click", () => help.close());
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
      if (event.key === "t") toggle();
      if (event.key === "?") ask();
    });
  });
})();
