// Shows on the button that was pressed that work is under way, until another page comes, or for eight seconds: an app that
// takes over leaves this page as it is.

const LONGEST_MS = 8000;

function free() {
  for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
}

addEventListener("submit", ({ submitter }) => {
  submitter?.setAttribute("aria-busy", "true");
  setTimeout(() => submitter?.removeAttribute("aria-busy"), LONGEST_MS);
});
addEventListener("pageshow", free);
document.addEventListener("visibilitychange", free);
// The calculator says by a class of its form whether the server answered.
for (const form of document.querySelectorAll("[data-summary-url]")) {
  new MutationObserver(free).observe(form, { attributeFilter: ["class"] });
}
