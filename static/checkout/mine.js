// The quotes that this device has seen, kept on it and sent nowhere: folio, total, dates, link, and when it was taken to
// the chat. Never a name or a phone. Where the browser keeps nothing, nothing shows.

const KEY = "quotes";
const MOST = 20;
const PAGES = "/q/";

const section = document.querySelector("[data-mine]");
const paper = document.querySelector("[data-link]");
const reopen = document.querySelector("[data-reopen]");

function kept() {
  try {
    const quotes = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(quotes) ? quotes : [];
  } catch {
    return [];
  }
}

function keep(quotes) {
  try {
    if (quotes.length) localStorage.setItem(KEY, JSON.stringify(quotes.slice(0, MOST)));
    else localStorage.removeItem(KEY);
  } catch {
    // No storage, or none left: the page does without.
  }
}

const written = (at, style) =>
  new Intl.DateTimeFormat(document.documentElement.lang, { ...style, timeZone: section.dataset.zone }).format(new Date(at));

// Puts the quote of this page first; a later visit changes nothing of it but the link: the address that was opened, for
// which the worker keeps the page, and never the one by the folio, which needs the database.
function remember(change = {}) {
  const { folio, total, made, until, link } = paper.dataset;
  const before = kept().find((quote) => quote.folio === folio);
  const others = kept().filter((quote) => quote.folio !== folio);
  const isByToken = location.pathname.startsWith(PAGES) && !location.pathname.includes(folio);
  const path = isByToken ? location.pathname : before?.link ?? new URL(link).pathname;
  keep([{ ...before, folio, total, made, until, link: path, ...change }, ...others]);
}

// The worker has the pages of quotes for when there is no network.
async function forgetPages() {
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
    time.textContent = written(quote[moment], { dateStyle: "long" });
  }
  row.querySelector(isExpired ? "[data-valid]" : "[data-expired]").remove();
  return row;
}

function show() {
  const quotes = kept();
  section.querySelector("ul").replaceChildren(...quotes.map(item));
  section.hidden = !quotes.length;
  if (!reopen) return;
  const sent = quotes.find(({ folio }) => folio === paper.dataset.folio)?.sent;
  reopen.hidden = !sent;
  if (sent) reopen.querySelector("[data-sent]").textContent = written(sent, { dateStyle: "long", timeStyle: "short" });
}

if (section) {
  // A checkout that comes back to be mended was not one.
  if (paper) remember("refused" in paper.dataset ? { sent: undefined } : {});
  show();
  const form = document.querySelector("#checkout");
  form?.addEventListener("submit", ({ submitter }) => {
    if (paper && !submitter?.hasAttribute("formaction")) remember({ sent: new Date().toJSON() });
  });
  form?.addEventListener("invalid", () => paper && remember({ sent: undefined }), true);
  section.querySelector("button").addEventListener("click", () => {
    keep([]);
    forgetPages().catch(() => {}); // not every browser has them
    show();
    const cleared = document.querySelector("[data-mine-cleared]");
    cleared.hidden = false;
    cleared.focus();
  });
  // Back from the chat may show this page as it was left.
  window.addEventListener("pageshow", ({ persisted }) => persisted && show());
}
