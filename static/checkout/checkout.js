// The page of a quote. It sends the checkout form and opens the chat, also when the server does not answer: the page then
// opens the chat itself and keeps the lead on the device until it can be sent. Without this script the browser sends the form
// and follows the redirect to the chat. Below: sharing. One file, because each is another request before the page is shown.
// Also pushes events with folio and value, never the person, to the shop's analytics.

import { keep } from "./kept.js";
import { linkToPassOn, wasSent, withShortLink, writtenDay, writtenTime } from "./mine.js";

// With DISK_MS in kept.js this stays below 3 s, within which the chat must be open.
const SERVER_MS = 2500;
const LONGEST_URL = 2000;
const PLACEHOLDER = /\{[^{}]+\}/g;

const form = document.querySelector("#checkout");
const paper = document.querySelector(".paper");
let isUnderWay = false;

function track(event, more = {}) {
  const { folio, value, currency } = paper?.dataset ?? {};
  (window.dataLayer ??= []).push({ event, folio, value, currency, ...more });
}

// Takes the message off a field as soon as it is mended, and off the list of errors. The server checks again.
form?.addEventListener("input", ({ target }) => {
  const isMended = target.validity.valid && (!target.required || target.value.trim());
  const error = isMended && document.getElementById(`${target.name}-error`);
  if (!error) return;
  target.removeAttribute("aria-invalid");
  error.remove();
  const alert = document.querySelector(".alert");
  alert?.querySelector(`[data-error="${error.id}"]`)?.closest("li").remove();
  if (!alert?.querySelector("li, p ~ p")) alert?.remove();
});

form?.addEventListener("submit", async (event) => {
  if (event.submitter?.hasAttribute("formaction")) return; // this button does not check out
  if (!paper) return; // the quote's link is broken, and the server's answer says so
  event.preventDefault();
  if (isUnderWay) return;
  isUnderWay = true;
  try {
    await checkOut(Object.fromEntries(new FormData(form)));
  } finally {
    isUnderWay = false; // a phone that hands the chat to its app leaves this page open, and the next tap must work
  }
});

async function checkOut(fields) {
  const answer = await checkedOut(fields).catch(() => null);
  if (answer?.success) {
    track("lead_submitted");
    if (answer.warning) track("lead_warning", { warning: answer.warning });
    wasSent({ isStored: !answer.warning, chat: answer.whatsapp_url });
    openChat(answer.whatsapp_url);
  } else if (answer) {
    form.submit(); // the server's page shows the errors
  } else {
    await goWithoutServer(fields);
  }
}

// Rejects if the server does not answer in time or the answer is not JSON, such as a proxy's error page or a hotel's
// login page. Returns null for any other JSON.
async function checkedOut(fields) {
  const response = await fetch(form.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
    signal: AbortSignal.timeout?.(SERVER_MS),
  });
  const answer = await response.json();
  return typeof answer.success === "boolean" ? answer : null;
}

async function goWithoutServer(fields) {
  if (!form.reportValidity()) return;
  const sent = { ...fields, submitted_at: new Date().toISOString(), notice_version: form.dataset.notice };
  await keep(paper.dataset.folio, form.dataset.late, sent);
  track("lead_submitted");
  track("lead_warning", { warning: "kept" });
  const chat = chatWith(fields) ?? chatWith({ name: fields.name }) ?? document.querySelector("[data-chat]").href;
  wasSent({ isStored: false, chat });
  openChat(chat);
}

// WhatsApp refuses to be shown in a frame, and this page may be in one.
function openChat(url) {
  if (window.top === window) location.assign(url);
  else window.top.location.href = url;
}

// Returns what was typed in a field as people read it: the choice's label, the day with its weekday, the time with a. m. or p. m.
function inWords(field, text) {
  if (text && field.type === "date") return writtenDay(text, { timeZone: "UTC" });
  if (text && field.type === "time") return writtenTime(...text.split(":").map(Number));
  return text && field.selectedOptions ? field.selectedOptions[0].text : text.trim();
}

// Returns the chat's URL with the typed values in the message, or null if it is too long. The server wrote the message
// with a placeholder for each field, such as {name}. A line whose optional field is empty is left out.
function chatWith(fields) {
  const url = new URL(form.dataset.chatToFill);
  const field = (placeholder) => form.elements.namedItem(placeholder.slice(1, -1));
  const isField = (placeholder) => field(placeholder) !== null;
  const typed = (placeholder) => inWords(field(placeholder), fields[placeholder.slice(1, -1)] ?? "");
  const lines = url.searchParams.get("text").split("\n")
    .filter((line) => (line.match(PLACEHOLDER) ?? []).every((found) => !isField(found) || typed(found)))
    .map((line) => line.replace(PLACEHOLDER, (found) => (isField(found) ? typed(found) : found)));
  const filled = `${url.origin}${url.pathname}?text=${encodeURIComponent(lines.join("\n"))}`;
  return filled.length <= LONGEST_URL ? filled : null;
}

// Returns the chat's URL for what is typed now, without the phone; null while there is no name.
function chatOfTyped() {
  const fields = form ? Object.fromEntries(new FormData(form)) : {};
  return fields.name?.trim() ? chatWith(fields) : null;
}

// Finds out whether the quote has arrived at the shop, so that links to pass on are short.
async function findStored() {
  const answer = await fetch(paper.dataset.arrived, { signal: AbortSignal.timeout?.(SERVER_MS) })
    .then((response) => response.json()).catch(() => null);
  if (answer?.stored) paper.dataset.stored = "";
}

// At the first sign of a person only, because it takes a query of the database.
if (paper && !("stored" in paper.dataset)) {
  const waiting = new AbortController();
  const find = () => { waiting.abort(); findStored(); };
  for (const sign of ["pointerdown", "pointermove", "keydown", "scroll"]) addEventListener(sign, find, { signal: waiting.signal });
}

if (paper) track("quote_shown");
for (const chat of document.querySelectorAll("[data-chat], [data-reopen] a")) {
  chat.addEventListener("click", () => {
    chat.href = withShortLink(chat.href);
    track("whatsapp_opened");
  });
}

// --- Sharing: by the system's dialog, the clipboard, a file or a printout. The link has the quote and no personal data. -----

const actions = document.querySelector("[data-actions]");
const share = actions?.querySelector("[data-share]");
const print = actions?.querySelector("[data-print]");
const status = actions?.querySelector("[role=status]");
const isPhone = matchMedia("(max-width: 59.99rem)");

async function copy(text, button) {
  status.textContent = "";
  const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  status.textContent = isCopied || copyByCommand(text) ? button.dataset.done : status.dataset.failed;
  button.focus();
}

// Browsers inside other apps often refuse the Clipboard API but still support the deprecated copy command.
function copyByCommand(text) {
  const field = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden" });
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  return isCopied;
}

// The file names who it is for, if that was typed. It is posted, because addresses are kept in histories and logs. On a
// phone the system's dialog passes the file on to a chat or saves it; elsewhere the browser shows it.
async function askForFile(event) {
  const address = event.currentTarget.href;
  const isShared = isPhone.matches && navigator.canShare?.({ files: [pdf([])] });
  const fields = typedForFile();
  if (!isShared && !fields) return; // the browser follows the link
  event.preventDefault();
  if (isShared && (await shareFile(address, fields))) return;
  if (fields) post(address, fields);
  else location.assign(address);
}

const pdf = (parts) => new File(parts, `${paper.dataset.folio}.pdf`, { type: "application/pdf" });

// Returns what was typed, without the phone; null without a name.
function typedForFile() {
  if (!form?.elements.namedItem("name").value.trim()) return null;
  const fields = form.querySelectorAll(".field :is(input, select, textarea):not([type=tel])");
  return new URLSearchParams([...fields].map(({ name, value }) => [name, value]));
}

// Returns false when the server gives no file or the system does not take it.
async function shareFile(address, fields) {
  try {
    const answer = await fetch(address, fields ? { method: "POST", body: fields } : {});
    if (!answer.ok) return false;
    await navigator.share({ files: [pdf([await answer.blob()])] });
    return true;
  } catch (error) {
    return error.name === "AbortError"; // the person closed the dialog
  }
}

function post(address, fields) {
  const copy = Object.assign(document.createElement("form"), { method: "post", action: address });
  for (const [name, value] of fields) {
    copy.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(copy);
  copy.submit();
  copy.remove();
}

// Writes on the paper who it is for, and what else was typed, but no phone.
function fillBlanks() {
  for (const blank of document.querySelectorAll("[data-typed]")) {
    const field = form?.elements.namedItem(blank.dataset.typed);
    if (field) blank.textContent = inWords(field, field.value);
  }
}

// Returns the chat's message, with the name that is typed in the form.
function message(chatUrl) {
  const text = new URL(chatOfTyped() ?? chatUrl).searchParams.get("text");
  return text.replace(paper.dataset.link, linkToPassOn());
}

addEventListener("beforeprint", fillBlanks);
if (actions) {
  const text = document.querySelector("meta[name=description]").content;
  share.hidden = !navigator.share;
  actions.hidden = false;
  // It rejects when the person closes the dialog.
  share.addEventListener("click", () => navigator.share({ title: document.title, text, url: linkToPassOn() }).catch(() => {}));
  actions.querySelector("[data-file]").addEventListener("click", askForFile);
  print.hidden = !window.print;
  print.addEventListener("click", () => window.print());
  for (const button of actions.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(linkToPassOn(), button));
  }
  for (const button of actions.querySelectorAll("[data-copy-message]")) {
    button.addEventListener("click", () => copy(message(button.dataset.copyMessage), button));
  }
}
