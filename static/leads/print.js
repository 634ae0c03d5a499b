// Shows the print buttons, which are hidden without scripts because they need one.

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
