// The theme that was chosen before, and the keys: each is declared on its button (aria-keyshortcuts).
const fraguaShow = (theme) => { document.documentElement.style.colorScheme = theme || ""; };
fraguaShow(localStorage.getItem("fragua-theme"));

function fraguaTheme() {
  const now = document.documentElement.style.colorScheme;
  const dark = now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem("fragua-theme", dark ? "light" : "dark");
  fraguaShow(localStorage.getItem("fragua-theme"));
}

document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input, textarea, select, [contenteditable=true]");
  if (event.altKey || event.metaKey || event.ctrlKey || event.repeat || (writing && event.key !== "Escape")) return;
  const button = [...document.querySelectorAll("button[aria-keyshortcuts]:not([disabled])")]
    .find((one) => one.getAttribute("aria-keyshortcuts").toLowerCase() === event.key.toLowerCase());
  if (button && button.offsetParent) { event.preventDefault(); button.click(); }
});
