// "My quotes": the quotes that this device has shown, stored only on the device. Each has its folio, total, dates, link and
// the time of its checkout, but no name or phone. In a browser without storage the list stays hidden.

const KEY = "quotes";
const MOST = 20;
const PAGES = "/q/";

const section = document.querySelector("[data-mine]");
const paper = document.querySelector("[data-link]");
const reopen = document.querySelector("[data-reopen]");

function storedQuotes() {
  try {
    const quotes = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(quotes) ? quotes : [];
  } catch {
    return [];
  }
}

function store(quotes) {
  try {
    if (quotes.length) localStorage.setItem(KEY, JSON.stringify(quotes.slice(0, MOST)));
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage, or without space in it, there is no list.
  }
}

// Without a named zone: a device with old time zone data rejects the names of new ones.
const formatted = (at, style) => new Intl.DateTimeFormat(document.documentElement.lang, style).format(new Date(at));

// Returns the day of a time that the server wrote, by the shop's clock: its first 19 characters, without the offset.
const day = (at) => formatted(`${at.slice(0, 19)}Z`, { dateStyle: "long", timeZone: "UTC" });

// Puts this page's quote first in the list. Its link is the address with the token, if that was opened, because the worker
// has cached that page; never the address with the folio, which needs the database.
function remember(change = {}) {
  const { folio, total, made, until, link } = paper.dataset;
  const earlier = storedQuotes().find((quote) => quote.folio === folio);
  const others = storedQuotes().filter((quote) => quote.folio !== folio);
  const isByToken = location.pathname.startsWith(PAGES) && !location.pathname.includes(folio);
  const path = isByToken ? location.pathname : earlier?.link ?? new URL(link).pathname;
  store([{ ...earlier, folio, total, made, until, link: path, ...change }, ...others]);
}

// Deletes the pages of quotes that the service worker has cached.
async function deleteCachedPages() {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    const pages = (await cache.keys()).filter(({ url }) => new URL(url).pathname.startsWith(PAGES));
    await Promise.all(pages.map((page) => cache.delete(page)));
  }
}

function item(quote) {
  const row = section.querySelector("template").content.cloneNode(true);
  const isExpired = new Date(quote.until) < new Date();
  const link = row.querySelector("a");
  link.href = new URL(quote.link, location.origin).pathname;
  if (quote.folio === paper?.dataset.folio) link.setAttribute("aria-current", "page");
  row.querySelector(".folio").textContent = quote.folio;
  row.querySelector("[data-total]").textContent = quote.total;
  for (const moment of ["made", "until"]) {
    const time = row.querySelector(`[data-${moment}]`);
    time.dateTime = quote[moment];
    time.textContent = day(quote[moment]);
  }
  row.querySelector(isExpired ? "[data-valid]" : "[data-expired]").remove();
  return row;
}

function show() {
  const quotes = storedQuotes();
  section.querySelector("ul").replaceChildren(...quotes.map(item));
  section.hidden = !quotes.length;
  showReopen();
}

// Shows the link that opens the chat again, once this page's quote was sent.
function showReopen() {
  if (!reopen) return;
  const sent = storedQuotes().find(({ folio }) => folio === paper.dataset.folio)?.sent;
  reopen.hidden = !sent;
  if (sent) reopen.querySelector("[data-sent]").textContent = formatted(sent, { dateStyle: "long", timeStyle: "short" });
}

if (section) {
  // A refused checkout does not count as sent.
  if (paper) remember("refused" in paper.dataset ? { sent: undefined } : {});
  show();
  const form = document.querySelector("#checkout");
  form?.addEventListener("submit", ({ submitter }) => {
    if (paper && !submitter?.hasAttribute("formaction")) remember({ sent: new Date().toJSON() });
  });
  form?.addEventListener("invalid", () => paper && remember({ sent: undefined }), true);
  section.querySelector("button").addEventListener("click", () => {
    store([]);
    deleteCachedPages().catch(() => {}); // not every browser has the Cache API
    show();
    const cleared = document.querySelector("[data-mine-cleared]");
    cleared.hidden = false;
    cleared.focus();
  });
  // Back from the chat, the browser may show this page from its back/forward cache, or it never left it.
  window.addEventListener("pageshow", ({ persisted }) => persisted && show());
  document.addEventListener("visibilitychange", () => document.hidden || showReopen());
}
