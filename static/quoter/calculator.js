// Updates the calculator's total while a person types, and edits lines without a reload. The page works without it. All
// prices and lines come from the server. While it cannot be reached, the page shows no prices, and a link takes what was
// typed to the chat.

const form = document.querySelector("[data-summary-url]");
const chat = form?.querySelector("[data-unpriced]");
const chatWithoutLines = chat?.href;
const PAUSE_MS = 250;
const SERVER_MS = 3000;
const RETRY_MS = 5000;
const LONGEST_HTML = 500_000;

// Only now, because each script that is loaded before the page is shown is another request that it waits for.
addEventListener("load", () => import("./busy.js").catch(() => {}));

let latest;
let timer;
let isAsking = false;

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
const typed = () => new URLSearchParams(new FormData(form)).toString();

// --- Requests to the server ------------------------------------------------------------------------------------------

function post(url, body, headers = {}) {
  return fetch(url, { method: "POST", body, headers, signal: AbortSignal.timeout?.(SERVER_MS) });
}

// Returns the calculator's page or parts of it, as a document. Rejects if the server does not answer in time, or if the
// answer is another page, such as a proxy's error or a hotel's login.
async function postForPage(url, body) {
  const page = parsed(await (await post(url, body)).text());
  if (!page.querySelector("[data-live]")) throw new Error("not the calculator's page");
  return page;
}

// Takes the bill, the total and the lines' titles from another page. An unchanged part is not touched, so that screen
// readers announce the total only when it changes.
function updateLiveParts(page) {
  for (const part of page.querySelectorAll("[data-live]")) {
    const target = document.getElementById(part.id);
    if (target && target.innerHTML !== part.innerHTML) target.innerHTML = part.innerHTML;
  }
}

// Shows whether the server can be reached, and retries while it cannot.
function setOffline(isOffline) {
  form.classList.toggle("offline", isOffline);
  if (!isOffline) return;
  clearTimeout(timer);
  timer = setTimeout(refresh, RETRY_MS);
}

async function refresh() {
  remember();
  const body = (latest = new FormData(form));
  const page = await postForPage(form.dataset.summaryUrl, body).catch(() => null);
  // A slow early reply would otherwise overwrite a newer price.
  if (body !== latest) return;
  setOffline(!page);
  if (!page) return;
  updateLiveParts(page);
  clearMended();
}

// Takes the messages off fields that the list of errors no longer has, and renews those that it has.
function clearMended() {
  const links = [...form.querySelectorAll("#alert [data-error]")];
  for (const error of form.querySelectorAll(".lines .error[id]")) {
    const messages = links.filter((link) => link.dataset.error === error.id).map((link) => link.dataset.message);
    if (messages.length) error.textContent = messages.join(" ");
    else mend(error);
  }
}

function mend(error) {
  const described = form.querySelectorAll(`[aria-describedby~="${error.id}"]`);
  const cards = error.closest("fieldset")?.querySelectorAll(":scope > .segments > input") ?? [];
  for (const control of [...described, ...cards]) control.removeAttribute("aria-invalid");
  error.remove();
}

// Posts a form, such as one with an edit button pressed, and shows the lines that the server returns. Returns false, and
// changes nothing, if the person typed in the meantime. Rejects like postForPage().
async function show(body) {
  const typedBefore = typed();
  latest = body;
  const page = await postForPage(form.dataset.editUrl, body);
  if (typed() !== typedBefore) return false;
  const after = page.querySelector(".lines");
  for (const control of after.querySelectorAll("[autofocus]")) control.removeAttribute("autofocus"); // edit() sets the focus
  form.querySelector(".lines").replaceWith(after);
  noteUntouched();
  showSearches();
  showKeyboards();
  setOffline(false);
  updateLiveParts(page);
  remember();
  return true;
}

// Enter in a field: the quote if nothing is missing, else the total so far, and the next empty field.
async function enter() {
  const inputs = [...form.querySelectorAll(".lines :is([type=text], select)")].filter((each) => each.offsetParent);
  const isEmpty = (each) => !each.value && !each.placeholder;
  const here = inputs.indexOf(document.activeElement);
  const next = inputs.find((each, place) => place > here && isEmpty(each)) ?? inputs.find(isEmpty);
  if (next) {
    next.focus();
    return refresh();
  }
  return getQuote({ byEnter: true });
}

async function getQuote({ byEnter = false } = {}) {
  if ("forgetful" in form.dataset) return form.submit(); // another page of the seller's takes its place
  if (isAsking) return;
  isAsking = true;
  const answer = await post(form.action, new FormData(form), { Accept: "application/json" })
    .then((response) => (response.status === 422 ? { isRefused: true } : response.json()))
    .catch(() => null);
  if (answer?.url) return location.assign(answer.url);
  isAsking = false;
  if (answer && byEnter) return refresh();
  if (answer) return form.submit(); // the server's page shows the errors
  setOffline(true);
  chat.focus();
}

async function edit(button) {
  const focus = focusAfter(button.value);
  const isRestart = button.value === "restart";
  if (isRestart) beginEntry();
  try {
    // On a slow connection a person may type before the answer arrives, and none of that may be lost.
    while (!(await show(new FormData(form, button))));
  } catch {
    remember(); // in the entry that starting over has begun
    if (button.value.startsWith("preset:")) choose(button);
    setOffline(true);
    return;
  }
  button.removeAttribute("aria-busy");
  if (isRestart) form.querySelector("[data-brought-back]").hidden = true;
  [...form.querySelectorAll(focus)].find((control) => control.offsetParent)?.focus();
}

// Returns a selector for what gets the focus after an edit: the same button, what says that something was removed, or the
// first control of a line.
function focusAfter(value) {
  const [name, number] = value.split(":");
  if (name === "preset") return `button[value="${value}"]`;
  if (name === "remove" || name === "restart") return "[data-removal]";
  const line = ["undo", "switch", "product", "example"].includes(name) ? number : form.querySelectorAll("[data-line]").length;
  return `[data-line="${line}"] :is(button, summary, input:not([type=hidden]))`;
}

// Sets the kind of work without the server, and opens the fields. Only the server knows the values it would suggest.
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

// --- Keeping what was typed ------------------------------------------------------------------------------------------

const DRAFT = "folio.draft"; // the values of the fields
const LINES_HTML = "folio.lines"; // their lines as the server last rendered them

// Returns the form's fields without the attribution and these.
function fieldsWithout(...names) {
  const fields = new URLSearchParams(typed());
  for (const name of ["attribution", "checked", ...names]) fields.delete(name);
  return fields.toString();
}

const lines = () => fieldsWithout("removed");

// The fields of an empty calculator; null until there was one.
let untouched = null;

function noteUntouched() {
  if ("fresh" in form.querySelector(".lines").dataset) untouched = lines();
}

// Starting over begins an entry of the browser's history, so that Back brings everything back, too.
let entry = history.state?.entry ?? 0;

function beginEntry() {
  clearTimeout(timer);
  entry += 1;
  history.pushState(null, "", form.dataset.editUrl);
}

// Stores what was typed, and its lines, in this entry of the browser's history, because Back may load the page again, as
// in-app browsers do; and on the device, for people who close the page and come back. The page of a refused form cannot be loaded by its
// address, so its entry gets the calculator's.
function remember() {
  const { editUrl } = form.dataset;
  const html = linesHtml();
  const kept = html.length < LONGEST_HTML ? html : null; // browsers bound what an entry may hold
  history.replaceState({ typed: typed(), html: kept, entry }, "", location.pathname === editUrl ? location.href : editUrl);
  const isUntouched = lines() === untouched;
  if (!isUntouched || form.elements.removed) {
    stored(DRAFT, fieldsWithout());
    stored(LINES_HTML, html);
  }
  form.querySelector(".ticket [data-restart]").hidden = isUntouched;
  form.querySelector(".lines").toggleAttribute("data-fresh", isUntouched);
}

function linesHtml() {
  const copy = form.querySelector(".lines").cloneNode(true);
  copy.lang = document.documentElement.lang;
  return copy.outerHTML;
}

// Returns a stored text; or, with a second argument, stores that text, or with null deletes it. Without storage in the
// browser, and on the page of sellers, whose next customer asks for something else, returns null.
function stored(key, text) {
  if ("forgetful" in form.dataset) return null;
  try {
    if (text === undefined) return localStorage.getItem(key);
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Back and reload still restore what was typed, from the history.
  }
  return null;
}

function forget() {
  stored(DRAFT, null);
  stored(LINES_HTML, null);
}

// Restores what was typed on an earlier visit. Somebody who comes from the page of a quote starts with an empty form.
async function restoreDraft() {
  if (/\/q\/./.test(document.referrer)) forget();
  const draft = stored(DRAFT);
  if (!draft) return;
  const fields = new URLSearchParams(draft);
  if (form.elements.attribution) fields.set("attribution", form.elements.attribution.value);
  await restore(fields);
  document.querySelector("[data-brought-back]").hidden = lines() === untouched;
}

// Shows a form with these fields: rendered by the server or, without a connection, from the HTML that the lines had.
async function restore(fields, html) {
  const typedBefore = typed();
  try {
    await show(fields);
  } catch {
    if (typed() === typedBefore) restoreWithoutServer(fields, html);
    setOffline(true);
  }
}

function restoreWithoutServer(fields, html) {
  const storedLines = parsed(html ?? stored(LINES_HTML) ?? "").querySelector(".lines");
  if (storedLines) form.querySelector(".lines").replaceWith(storedLines);
  for (const control of form.querySelectorAll(".lines :is(input, select)")) {
    const texts = fields.getAll(control.name);
    if (control.matches("[type=radio], [type=checkbox]")) control.checked = texts.includes(control.value);
    else control.value = texts[0] ?? "";
  }
}

// --- Searching a long list -------------------------------------------------------------------------------------------

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Shows only the products and kinds of work that have every word that was typed, and unfolds their headings.
function search(field) {
  const body = field.closest(".line-body");
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  let found = 0;
  for (const tile of body.querySelectorAll(".tile")) {
    const text = plain(tile.textContent);
    tile.hidden = !words.every((word) => text.includes(word));
    if (!tile.hidden) found += 1;
  }
  for (const fold of body.querySelectorAll("details:has(> .tiles)")) {
    fold.hidden = !fold.querySelector(".tile:not([hidden])");
    fold.open = words.length > 0;
  }
  body.querySelector("[data-none]").hidden = found > 0;
}

function showSearches() {
  for (const field of form.querySelectorAll("[data-search]")) field.hidden = false;
}

// --- The keyboard of a phone --------------------------------------------------------------------------------------------

let isWholeKeyboard = false;

// Digits only, for lengths in metres, until the customer asks for the keys that feet and inches need.
function showKeyboards() {
  for (const field of form.querySelectorAll("[data-digits]")) field.inputMode = isWholeKeyboard ? "text" : "decimal";
  for (const button of form.querySelectorAll("[data-whole-keyboard]")) button.hidden = isWholeKeyboard;
}

function showWholeKeyboard(button) {
  isWholeKeyboard = true;
  const fields = [...button.closest("[data-line]").querySelectorAll("[data-digits]")].filter((each) => each.offsetParent);
  showKeyboards();
  (fields.find((field) => !field.value) ?? fields[0])?.focus();
}

// --- The form in words, for the chat -----------------------------------------------------------------------------------

// When the server cannot be reached, the chat gets what was typed, in the page's own labels. This knows only groups, labels
// and answers, so it works for any price book.

// A wa.me link of this length opens everywhere.
const LONGEST_URL = 2000;

// The first text of a label, without its hint, price or unit.
const labelOf = (element) => element.firstChild.textContent.trim();

const ended = (name) => (name.endsWith("?") ? name : `${name}:`);

// The inputs of a measuring method that is not chosen are hidden.
const isShown = (control) => !control.matches(".inputs *") || control.matches(":checked + .way + .inputs *");

// Returns "200 kg/cm²" for a choice and "Volume 5.6 m³" for an input; "" for an input or list without a value.
function answer(control) {
  if (control.matches("button")) return labelOf(control);
  const name = labelOf(control.labels[0]);
  const table = control.closest(".table");
  if (table) return table.dataset.default === control.value ? "" : `${labelOf(table.querySelector("legend"))} ${name}`;
  if (control.matches("[type=radio], [type=checkbox]")) return name;
  const given = control.matches("select") ? control.value && control.selectedOptions[0].text : control.value.trim();
  const hasUnit = /[\p{L}'"’”]/u.test(given); // as typed: 20', 4 in
  const unit = (!hasUnit && control.parentElement.querySelector(".unit")?.textContent) || "";
  return given && `${name} ${given} ${unit}`.trim();
}

// Returns "- Strength: 200 kg/cm²", or "" if the group has no answer yet.
function group(fields) {
  const controls = fields.querySelectorAll("[aria-pressed=true], :checked:not(option), [type=text], select");
  const answers = [...controls].filter(isShown).map(answer).filter(Boolean);
  // A measuring method is always chosen, so a method alone is not an answer.
  const minimum = fields.matches(".measures") ? 2 : 1;
  return answers.length < minimum ? "" : `- ${ended(labelOf(fields.querySelector(".label")))} ${answers.join(", ")}`;
}

function wordsOf(fields) {
  const groups = [...fields.querySelectorAll(".group")].map(group).filter(Boolean);
  return groups.length ? [`*${fields.querySelector("legend").textContent.trim()}*`, ...groups] : [];
}

// Returns the chat's URL with the form's lines added to its text, as many as fit in LONGEST_URL.
// chat: a wa.me link whose last parameter is its text.
function withWords(chat, form) {
  const lines = [...form.querySelectorAll("[data-line]")].flatMap(wordsOf);
  for (let shown = lines.length; ; shown -= 1) {
    const text = ["", ...lines.slice(0, shown), ...(shown < lines.length ? ["…"] : [])].join("\n");
    const url = chat + encodeURIComponent(text);
    if (url.length <= LONGEST_URL || !shown) return url;
  }
}

// --- Events ----------------------------------------------------------------------------------------------------------

form?.addEventListener("input", ({ target }) => {
  if (target.closest("[data-search]")) return search(target);
  clearTimeout(timer);
  timer = setTimeout(refresh, PAUSE_MS);
});

form?.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-whole-keyboard] button");
  if (button) showWholeKeyboard(button);
});

form?.addEventListener("submit", (event) => {
  const button = event.submitter;
  remember();
  const isEdit = button?.name === "edit";
  if (!isEdit && button?.hasAttribute("formaction")) return; // switches the language
  event.preventDefault();
  if (isEdit && button.value === "enter") enter();
  else if (isEdit) edit(button);
  else getQuote();
});

chat?.addEventListener("click", () => { chat.href = withWords(chatWithoutLines, form); });

// The links to the empty chat of the shop take along what was typed.
for (const link of form ? document.querySelectorAll('a[href^="https://wa.me/"]:not([href*="?"])') : []) {
  const empty = link.href;
  link.addEventListener("click", () => {
    link.href = lines() === untouched ? empty : withWords(form.dataset.questionUrl, form);
  });
}

if (form) noteUntouched();
if (form) showSearches();
if (form) showKeyboards();
if (form) for (const change of ["online", "offline"]) addEventListener(change, refresh);

// Back and reload restore what was typed after the page was rendered.
window.addEventListener("pageshow", () => {
  if (!form) return;
  isAsking = false;
  const kept = history.state?.typed;
  if (kept && kept !== typed()) restore(new URLSearchParams(kept), history.state.html);
  else if (!history.state && lines() === untouched) restoreDraft();
  else refresh();
  if (form.classList.contains("offline")) setOffline(true);
});

// Links within the page make entries as well; those keep what was typed since.
window.addEventListener("popstate", ({ state }) => {
  if (!form || !state || state.entry === entry) return;
  clearTimeout(timer);
  entry = state.entry;
  restore(new URLSearchParams(state.typed), state.html);
});
