// Keeps a visitor's answer whether the shop's tags may measure the visit. They load with the next page, never before a yes.

const KEPT_S = 180 * 24 * 3600;

function keep(name, value, seconds) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=lax${secure}`;
}

function answer(said) {
  keep("tags", said, KEPT_S);
  if (said === "yes") return;
  // What Google Analytics left while it was allowed to.
  const names = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
  for (const name of names.filter((each) => each.startsWith("_ga"))) keep(name, "", 0);
}

for (const button of document.querySelectorAll("[data-tags-answer]")) {
  button.addEventListener("click", () => {
    answer(button.dataset.tagsAnswer);
    // A form on the page may hold what somebody typed, so only a page without one is loaded anew.
    if (button.closest("[data-tags-reload]")) location.reload();
    else button.closest("[data-tags-question]").remove();
  });
}
