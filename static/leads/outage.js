// Keeps the page of an outage current, and makes way for the one that was asked for as soon as that is back.

const EVERY_MS = 10_000;

async function look() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (answer.ok) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-outage]")) {
    const fresh = page.querySelector(`[data-outage="${part.dataset.outage}"]`);
    if (fresh) part.replaceChildren(...fresh.childNodes);
  }
}

setInterval(() => look().catch(() => {}), EVERY_MS); // no answer at all: the next one may come
