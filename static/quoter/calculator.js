// The calculator works without this script; with it, the total follows the typing and edits need no reload. Prices and
// lines come from the server alone. While it cannot be reached, the page has no price, and takes what was typed to the
// chat in words.

import { withWords } from "./words.js";

const form = document.querySelector("[data-summary-url]");
const chat = form?.querySelector("[data-unpriced]");
const opening = chat?.href;
const PAUSE_MS = 250;
const SERVER_MS = 3000;
const RETRY_MS = 5000;

let latest;
let timer;
let isAsking = false;

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
const typed = () => new URLSearchParams(new FormData(form)).toString();

// --- What the server says --------------------------------------------------------------------------------------------

function posted(url, body, headers = {}) {
  return fetch(url, { method: "POST", body, headers, signal: AbortSignal.timeout?.(SERVER_MS) });
}

// Returns a page of the calculator, or pieces of it; rejects where nobody answers, or somebody else: a proxy, a hotel.
async function asked(url, body) {
  const page = parsed(await (await posted(url, body)).text());
  if (!page.querySelector("[data-live]")) throw new Error("no answer of the calculator");
  return page;
}

// Puts the bill, the total and the lines' titles of a page in the place of ours. What is the same stays untouched, so
// that screen readers say a total only when it is another.
function put(page) {
  for (const piece of page.querySelectorAll("[data-live]")) {
    const ours = document.getElementById(piece.id);
    if (ours && ours.innerHTML !== piece.innerHTML) ours.innerHTML = piece.innerHTML;
  }
}

// Has the page say whether the server can be reached; while it cannot, asks again now and then.
function setOffline(isOffline) {
  form.classList.toggle("offline", isOffline);
  if (!isOffline) return;
  clearTimeout(timer);
  timer = setTimeout(refresh, RETRY_MS);
}

async function refresh() {
  remember();
  const body = (latest = new FormData(form));
  const page = await asked(form.dataset.summaryUrl, body).catch(() => null);
  // A slow early reply would otherwise overwrite a newer price.
  if (body !== latest) return;
  setOffline(!page);
  if (page) put(page);
}

// Shows the lines that the server makes of a form, such as one with an edit button pressed. Returns false where a person
// typed on meanwhile, and nothing was changed; rejects as asked() does.
async function show(body) {
  const before = typed();
  latest = body;
  const page = await asked(form.dataset.editUrl, body);
  if (typed() !== before) return false;
  form.querySelector(".lines").replaceWith(page.querySelector(".lines"));
  setOffline(false);
  put(page);
  remember();
  return true;
}

// Goes to the page of the quote.
async function getQuote() {
  if (isAsking) return;
  isAsking = true;
  const answer = await posted(form.action, new FormData(form), { Accept: "application/json" })
    .then((response) => (response.status === 422 ? { isRefused: true } : response.json()))
    .catch(() => null);
  if (answer?.url) return location.assign(answer.url);
  isAsking = false;
  if (answer) return form.submit(); // the server's page says what to mend
  setOffline(true);
  chat.focus();
}

async function edit(button) {
  const focus = focusAfter(button.value);
  try {
    // On a slow line a person types on meanwhile, and nothing of that may be lost.
    while (!(await show(new FormData(form, button))));
  } catch {
    if (button.value.startsWith("preset:")) choose(button);
    setOffline(true);
    return;
  }
  [...form.querySelectorAll(focus)].find((control) => control.offsetParent)?.focus();
}

// Where a person goes on after an edit: the button again, or the line that is new.
function focusAfter(value) {
  if (value.startsWith("preset:")) return `button[value="${value}"]`;
  const lines = form.querySelectorAll("[data-line]").length;
  return `[data-line="${value.startsWith("remove:") ? 0 : lines}"] :is(button, summary, input:not([type=hidden]))`;
}

// Notes the kind of work, as the server would, and opens the fields; what it suggests for them, only the server knows.
function choose(tile) {
  const [, number, preset] = tile.value.split(":");
  const name = `lines.${number}.preset`;
  const field = form.elements[name] ?? Object.assign(document.createElement("input"), { type: "hidden", name });
  field.value = preset;
  tile.closest(".group").before(field);
  for (const each of tile.parentElement.children) each.setAttribute("aria-pressed", each === tile);
  for (const fold of tile.closest("[data-line]").querySelectorAll(".direct")) fold.open = true;
  remember();
}

// --- What was typed is kept ------------------------------------------------------------------------------------------

const DRAFT = "folio.draft"; // what stands in the fields
const DRAWN = "folio.lines"; // the lines with these fields, as the server drew them

// The lines alone, without where the visitor came from.
function lines() {
  const fields = new URLSearchParams(typed());
  fields.delete("attribution");
  return fields.toString();
}

// Those of a page on which nothing was said yet; no other form is like it.
const untouched = form && "fresh" in form.dataset ? lines() : null;

// With this entry of the history: where Back makes the page anew, as in-app browsers do, it has one line again. The page
// of a refused form cannot be had by its address, so there the entry becomes the calculator's. And on the device, for
// whoever closes the page and comes back.
function remember() {
  const { editUrl } = form.dataset;
  history.replaceState(typed(), "", location.pathname === editUrl ? location.href : editUrl);
  const isUntouched = lines() === untouched;
  if (!isUntouched) {
    kept(DRAFT, lines());
    kept(DRAWN, drawn());
  }
  for (const link of form.querySelectorAll(".lines [data-start-over]")) link.hidden = isUntouched;
}

function drawn() {
  const copy = form.querySelector(".lines").cloneNode(true);
  copy.lang = document.documentElement.lang;
  return copy.outerHTML;
}

// Reads what is kept, or with null forgets it, or keeps another. Where a browser has no storage for us, there is nothing.
function kept(key, text) {
  try {
    if (text === undefined) return localStorage.getItem(key);
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Back and reload bring it back all the same.
  }
  return null;
}

function forget() {
  kept(DRAFT, null);
  kept(DRAWN, null);
}

// What was left here last time, unless it became a quote, which is where a link back to an empty page stands.
async function bringBack() {
  if (/\/q\/./.test(document.referrer)) forget();
  const left = kept(DRAFT);
  if (!left) return;
  const fields = new URLSearchParams(left);
  if (form.elements.attribution) fields.set("attribution", form.elements.attribution.value);
  await restore(fields);
  document.querySelector("[data-brought-back]").hidden = false;
}

// Shows a form as it was left: drawn by the server, or, where it cannot be reached, as it drew these lines last.
async function restore(fields) {
  const before = typed();
  try {
    await show(fields);
  } catch {
    if (typed() === before) redraw(fields);
    setOffline(true);
  }
}

function redraw(fields) {
  const last = parsed(kept(DRAWN) ?? "").querySelector(".lines");
  if (last) form.querySelector(".lines").replaceWith(last);
  for (const control of form.querySelectorAll(".lines :is(input, select)")) {
    const texts = fields.getAll(control.name);
    if (control.matches("[type=radio], [type=checkbox]")) control.checked = texts.includes(control.value);
    else control.value = texts[0] ?? "";
  }
}

// --- What a person does ----------------------------------------------------------------------------------------------

form?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(refresh, PAUSE_MS);
});

form?.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-start-over]")) return;
  clearTimeout(timer);
  history.replaceState(null, "");
  forget();
});

form?.addEventListener("submit", (event) => {
  const button = event.submitter;
  remember();
  const isEdit = button?.name === "edit";
  if (!isEdit && button?.hasAttribute("formaction")) return; // to this page in another language
  event.preventDefault();
  if (isEdit) edit(button);
  else getQuote();
});

chat?.addEventListener("click", () => { chat.href = withWords(opening, form); });

if (form) for (const change of ["online", "offline"]) addEventListener(change, refresh);

// Back, and a reload, bring back what was typed after the page was made.
window.addEventListener("pageshow", () => {
  if (!form) return;
  isAsking = false;
  if (history.state && history.state !== typed()) restore(new URLSearchParams(history.state));
  else if (!history.state && lines() === untouched) bringBack();
  else refresh();
  if (form.classList.contains("offline")) setOffline(true);
});
