// The calculator works without this script; with it, the total follows the typing and edits need no reload.
// Prices and fields come from the server; where it does not answer, from offline.js, which says that it is so.
// refresh() is the one place that asks for the total, show() the one that asks for an edit.

const form = document.querySelector("[data-summary-url]");
const PAUSE_MS = 250;
const SERVER_MS = 3000;
const DRAFT = "folio.draft";

let latest;
let timer;
let isAsking = false;

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
const typed = () => new URLSearchParams(new FormData(form)).toString();

// Puts the bill, the total and the lines' titles of a page in the place of ours. What is the same stays untouched, so
// that screen readers say a total only when it is another.
function put(page) {
  for (const piece of page.querySelectorAll("[data-live]")) {
    const ours = document.getElementById(piece.id);
    if (ours && ours.innerHTML !== piece.innerHTML) ours.innerHTML = piece.innerHTML;
  }
}

async function posted(url, body, headers = {}) {
  const response = await fetch(url, { method: "POST", body, headers, signal: AbortSignal.timeout?.(SERVER_MS) });
  if (response.status >= 500) throw new Error(response.status);
  return response;
}

async function refresh() {
  remember();
  const body = (latest = new FormData(form));
  const answer = posted(form.dataset.summaryUrl, body).then((response) => response.text()).then(parsed);
  try {
    const page = await answer.catch(async () => (await import("./offline.js")).live(form));
    // A slow early reply would otherwise overwrite a newer price.
    if (body === latest) put(page);
  } catch {
    // Neither is at hand: the last total stands, and the button still sends the form.
  }
}

// Shows the lines that the server makes of a form, such as one with an edit button pressed.
async function show(body) {
  const before = typed();
  latest = body;
  const page = await posted(form.dataset.editUrl, body).then((response) => response.text()).then(parsed).catch(() => null);
  const drawn = page?.querySelector(".lines");
  if (typed() !== before) return false;
  if (drawn) {
    form.querySelector(".lines").replaceWith(drawn);
    put(page);
  } else {
    const offline = await import("./offline.js");
    await offline.draw(form, body);
    put(await offline.live(form));
  }
  remember();
  return true;
}

// Goes to the page of the quote, or shows one here when the server does not answer.
async function getQuote() {
  if (isAsking) return;
  isAsking = true;
  const answer = await posted(form.action, new FormData(form), { Accept: "application/json" })
    .then((response) => (response.status === 422 ? { isRefused: true } : response.json()))
    .catch(() => null);
  if (answer?.url) return location.assign(answer.url);
  isAsking = false;
  if (answer) form.submit(); // the server's page says what to mend
  else await (await import("../checkout/offline.js")).quote(form);
}

async function edit(button) {
  const focus = focusAfter(button.value);
  // On a slow line a person types on meanwhile, and nothing of that may be lost.
  while (!(await show(new FormData(form, button))));
  [...form.querySelectorAll(focus)].find((control) => control.offsetParent)?.focus();
}

// Where a person goes on after an edit: the button again, or the line that is new.
function focusAfter(value) {
  if (value.startsWith("preset:")) return `button[value="${value}"]`;
  const lines = form.querySelectorAll("[data-line]").length;
  return `[data-line="${value.startsWith("remove:") ? 0 : lines}"] :is(button, summary, input:not([type=hidden]))`;
}

// --- What was typed is kept ------------------------------------------------------------------------------------------

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
  if (!isUntouched) draft(lines());
  for (const link of form.querySelectorAll(".lines [data-start-over]")) link.hidden = isUntouched;
}

// Reads the draft, or with null forgets it, or keeps another. Where a browser has no storage for us, there is none.
function draft(text) {
  try {
    if (text === undefined) return localStorage.getItem(DRAFT);
    if (text === null) localStorage.removeItem(DRAFT);
    else localStorage.setItem(DRAFT, text);
  } catch {
    // Back and reload bring it back all the same.
  }
  return null;
}

// What was left here last time, unless it became a quote, which is where a link back to an empty page stands.
async function bringBack() {
  if (/\/q\/./.test(document.referrer)) draft(null);
  const left = draft();
  if (!left) return;
  const fields = new URLSearchParams(left);
  if (form.elements.attribution) fields.set("attribution", form.elements.attribution.value);
  await show(fields);
  document.querySelector("[data-brought-back]").hidden = false;
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
  draft(null);
});

form?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  remember();
  const isEdit = button?.name === "edit";
  if (!isEdit && button?.hasAttribute("formaction")) {
    // To this page in another language. Without a connection a link leads there, and the draft has what was typed.
    if (navigator.onLine) return;
    event.preventDefault();
    return location.assign(button.formAction);
  }
  event.preventDefault();
  if (!isEdit) return getQuote().catch(() => form.submit());
  try {
    await edit(button);
  } catch {
    // The plain form does the same with a page load.
    button.type = "submit";
    form.action = form.dataset.editUrl;
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "edit", value: button.value });
    form.append(field);
    form.submit();
  }
});

// Back, and a reload, bring back what was typed after the page was made.
window.addEventListener("pageshow", () => {
  if (!form) return;
  isAsking = false;
  if (!navigator.serviceWorker) import("../checkout/offline.js").then(({ prepare }) => prepare(form)).catch(() => {});
  if (history.state && history.state !== typed()) show(new URLSearchParams(history.state)).catch(() => {});
  else if (!history.state && lines() === untouched) bringBack().catch(() => {});
  else refresh();
});
