// Enter sends, Shift+Enter breaks the line, Escape stops; the arrows go from token to token.
document.addEventListener("keydown", (event) => {
  if (event.target.matches(".ask textarea") && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    document.querySelector(".ask .send")?.click();
  }
  const token = event.target.closest?.(".token");
  const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
  if (token && next && token[next]) { event.preventDefault(); token[next].focus(); }
});
