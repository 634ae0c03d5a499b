// Stores whether the visitor lets the shop's tags measure the visit. Tags load only after a yes, from the next page on.

const COOKIE_AGE_S = 180 * 24 * 3600;

function setCookie(name, value, seconds) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=lax${secure}`;
}

function store(answer) {
  setCookie("tags", answer, COOKIE_AGE_S);
  if (answer === "yes") return;
  // Google Analytics may have set cookies under an earlier yes.
  const names = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
  for (const name of names.filter((each) => each.startsWith("_ga"))) setCookie(name, "", 0);
}

for (const button of document.querySelectorAll("[data-tags-answer]")) {
  button.addEventListener("click", () => {
    store(button.dataset.tagsAnswer);
    // A reload would lose what was typed in a form, so only the privacy page, which has no such form, reloads.
    if (button.closest("[data-tags-reload]")) location.reload();
    else button.closest("[data-tags-question]").remove();
  });
}
