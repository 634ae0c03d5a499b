// Keeps the outage page current, and leaves it when the database is back: the page that was asked for is loaded, a search
// is sent again, and a tap is offered again. A note is saved at once: it was sent, and to save it later does no harm.

const state = document.querySelector("[data-path]");
const EVERY_MS = state.dataset.kind === "busy" ? 2000 : 5000;
const search = document.querySelector("#search[data-sent]");
const unfinished = document.querySelector("#unfinished");

async function look() {
  const response = await fetch(state.dataset.path, { cache: "no-store" });
  if (response.status < 500) return leave();
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-outage]")) {
    const fresh = page.querySelector(`[data-outage="${part.dataset.outage}"]`);
    if (fresh) part.replaceChildren(...fresh.childNodes);
  }
}

function leave() {
  clearInterval(timer);
  if (search) return search.requestSubmit();
  if (!unfinished) return location.replace(state.dataset.path);
  const isNote = unfinished.querySelector("textarea") && !unfinished.contains(document.activeElement);
  if (state.dataset.kind === "busy" || isNote) return unfinished.requestSubmit();
  for (const part of document.querySelectorAll("[data-while]")) part.hidden = part.dataset.while === "down";
}

// After a network error, try again at the next interval.
const timer = setInterval(() => look().catch(() => {}), EVERY_MS);
