// "My quotes": the quotes that this device has shown, stored only on the device. Each has its folio, total, dates, link,
// what it is for, and when it was sent and whether it arrived, but no name or phone. In a browser without storage the list
// stays hidden. After a checkout, this page's form gives its place to what happens next.

const KEY = "quotes";
const CLEARED = "quotes.cleared"; // of this tab alone
const UNDO_MS = 60_000;
const MOST = 20;
const PAGES = "/q/";

const section = document.querySelector("[data-mine]");
const cleared = document.querySelector("[data-mine-cleared]");
const toMine = document.querySelector("[data-to-mine]");
const paper = document.querySelector("[data-link]");
const reopen = document.querySelector("[data-reopen]");
const form = document.querySelector("#checkout");
const toForm = document.querySelector("[data-to-form]");
let last = null; // what this page has sent, also in a browser without storage
let isAway = false; // between a hand-off to the chat and the return

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

// Returns the quotes that were cleared from the list in this tab, as long as that can be undone. Their pages are gone
// from the device at once; with a connection the links open them again.
function clearedQuotes() {
  try {
    const { at, quotes } = JSON.parse(sessionStorage.getItem(CLEARED));
    return Math.abs(Date.now() - at) < UNDO_MS ? quotes : [];
  } catch {
    return [];
  }
}

function clear() {
  try {
    sessionStorage.setItem(CLEARED, JSON.stringify({ at: Date.now(), quotes: storedQuotes() }));
  } catch {
    // Then it cannot be undone.
  }
  store([]);
  last = null;
  deleteCachedPages().catch(() => {}); // not every browser has the Cache API
  show();
  cleared.hidden = false;
  cleared.focus();
}

function unclear() {
  const quotes = clearedQuotes();
  const folios = quotes.map(({ folio }) => folio);
  store([...quotes, ...storedQuotes().filter(({ folio }) => !folios.includes(folio))]);
  forgetCleared();
  show();
  section.querySelector("a, button").focus();
}

function forgetCleared() {
  try {
    sessionStorage.removeItem(CLEARED);
  } catch {
    // Nothing was stored.
  }
  cleared.hidden = true;
}

// Offers to undo for a minute, also after a reload.
function showCleared() {
  const canUndo = clearedQuotes().length > 0;
  cleared.querySelector("button").hidden = !canUndo;
  if (canUndo) cleared.hidden = false;
  setTimeout(() => clearedQuotes().length || forgetCleared(), UNDO_MS);
}

// Without a named zone: a device with old time zone data rejects the names of new ones.
const formatted = (at, style) => new Intl.DateTimeFormat(document.documentElement.lang, style).format(new Date(at));

const isSpanish = document.documentElement.lang.startsWith("es");

// Write a day and a time as the server does: sábado 28 de noviembre de 2026, and 11:39 a. m.
export const writtenDay = (at, style = {}) => formatted(at, { dateStyle: "full", ...style }).replace(...(isSpanish ? [", ", " "] : ["", ""]));
export const writtenTime = (hour, minute) => {
  const half = `${hour % 24 < 12 ? "a" : "p"}.${isSpanish ? "\u00a0" : ""}m.`;
  return `${((hour + 11) % 12) + 1}:${String(minute).padStart(2, "0")}\u00a0${half}`;
};

// Returns the day of a time that the server wrote, by the shop's clock: its first 19 characters, without the offset.
const day = (at) => formatted(`${at.slice(0, 19)}Z`, { dateStyle: "long", timeZone: "UTC" });

// Puts this page's quote first in the list. Its link is the address with the token, if that was opened, because the worker
// has cached that page; never the address with the folio, which needs the database.
function remember(change = {}) {
  const { folio, total, made, until, link, what } = paper.dataset;
  const earlier = storedQuotes().find((quote) => quote.folio === folio);
  const others = storedQuotes().filter((quote) => quote.folio !== folio);
  const isByToken = location.pathname.startsWith(PAGES) && !location.pathname.includes(folio);
  const path = isByToken ? location.pathname : earlier?.link ?? new URL(link).pathname;
  store([{ ...earlier, folio, total, made, until, what, link: path, ...change }, ...others]);
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
  const path = new URL(quote.link, location.origin).pathname;
  link.href = path;
  if (quote.folio === paper?.dataset.folio) link.setAttribute("aria-current", "page");
  row.querySelector(".folio").textContent = quote.folio;
  row.querySelector("[data-total]").textContent = quote.total;
  row.querySelector("[data-what]").textContent = quote.what ?? "";
  row.querySelector("[data-which]").textContent = quote.folio;
  const change = row.querySelector("[data-change]");
  const calculator = new URL(change.getAttribute("href"), location.origin);
  calculator.searchParams.set("before", path.slice(PAGES.length, -1));
  change.href = calculator;
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
  // Whoever was sent this quote has no list of their own.
  section.hidden = !quotes.some(({ folio }) => folio !== paper?.dataset.folio);
  if (toMine) toMine.hidden = section.hidden;
  showReopen();
}

// --- After a checkout -------------------------------------------------------------------------------------------------

// Notes that this page's quote goes to the chat. isStored: whether the shop's database has the lead; chat: the URL, kept
// only as long as this page, because it has the name.
export function wasSent({ isStored, chat }) {
  isAway = true;
  last = { sent: new Date().toJSON(), isStored };
  remember(last);
  const again = reopen?.querySelector("[data-chat-again]");
  if (again) again.href = chat;
}

const lastSent = () => storedQuotes().find(({ folio, sent }) => sent && folio === paper.dataset.folio) ?? last;

// Returns the address of this page to pass on: the short one if it is known to work, which needs the database.
export function linkToPassOn() {
  const isStored = "stored" in paper.dataset || lastSent()?.isStored;
  return isStored ? paper.dataset.short : paper.dataset.link;
}

// Returns a chat's URL with the short address of this page in its message, if that is known to work.
export const withShortLink = (chat) => chat.replace(encodeURIComponent(paper.dataset.link), encodeURIComponent(linkToPassOn()));

// Shows what happens next in the place of the form, once this page's quote was sent.
function showReopen() {
  showAnswerTime();
  if (!reopen) return;
  // A form that was refused has to be mended first, whatever was sent before.
  const lead = "refused" in paper.dataset && !last ? null : lastSent();
  reopen.hidden = !lead;
  if (form) form.hidden = Boolean(lead);
  if (toForm) toForm.hidden = Boolean(lead);
  if (!lead) return;
  document.querySelector(".alert")?.remove();
  for (const part of reopen.querySelectorAll("[data-with-us]")) part.hidden = !lead.isStored;
  for (const part of reopen.querySelectorAll("[data-in-chat]")) part.hidden = lead.isStored;
  const at = new Date(lead.sent);
  reopen.querySelector("[data-sent]").textContent = `${writtenDay(at)}, ${writtenTime(at.getHours(), at.getMinutes())}`;
  const again = reopen.querySelector("[data-chat-again]");
  again.href = withShortLink(again.href);
  if (isAway) reopen.focus(); // the eye is where the form was
  isAway = false;
}

// The page says when the shop answers for the next two days, because it may stay open that long.
function showAnswerTime() {
  for (const times of document.querySelectorAll("[data-answers]")) {
    const now = [...times.children].find(({ dataset }) => new Date(dataset.until) > new Date());
    for (const each of times.children) each.hidden = each !== now;
  }
}

// Only now, because each script that is loaded before the page is shown is another request that it waits for.
// Where the connection is gone by then, the next page loads them.
addEventListener("load", () => {
  import("./kept.js").catch(() => {});
  import("../quoter/busy.js").catch(() => {});
});

if (section) {
  if (paper) remember();
  show();
  reopen?.querySelector("[data-change-phone]").addEventListener("click", () => {
    reopen.hidden = true;
    form.hidden = toForm.hidden = false;
    form.querySelector("#phone").focus();
  });
  showCleared();
  section.querySelector("button").addEventListener("click", () => { clear(); showCleared(); });
  cleared.querySelector("button").addEventListener("click", unclear);
  // Back from the chat, the browser may show this page from its back/forward cache, or it never left it.
  addEventListener("pageshow", ({ persisted }) => persisted && show());
  document.addEventListener("visibilitychange", () => document.hidden || showReopen());
}
