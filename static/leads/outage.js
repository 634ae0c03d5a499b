// Keeps the outage page current, and loads the requested page when the database is back.

const EVERY_MS = 10_000;

async function refresh() {
  const response = await fetch(location.href, { cache: "no-store" });
  if (response.ok) return location.reload();
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-outage]")) {
    const fresh = page.querySelector(`[data-outage="${part.dataset.outage}"]`);
    if (fresh) part.replaceChildren(...fresh.childNodes);
  }
}

setInterval(() => refresh().catch(() => {}), EVERY_MS); // after a network error, try again at the next interval
