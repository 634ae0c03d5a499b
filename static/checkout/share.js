// Shares a quote by the system's share dialog, the clipboard, a file or a printout. The link has the quote and no personal data.

import { chatOfTyped } from "./checkout.js";
import { linkToPassOn } from "./mine.js";

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

const pdf = (parts) => new File(parts, `${document.querySelector(".paper").dataset.folio}.pdf`, { type: "application/pdf" });

// Returns what was typed, without the phone; null without a name.
function typedForFile() {
  const form = document.querySelector("#checkout");
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
  const form = Object.assign(document.createElement("form"), { method: "post", action: address });
  for (const [name, value] of fields) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
  form.remove();
}

// Writes on the paper who it is for, and what else was typed, but no phone.
function fillBlanks() {
  for (const blank of document.querySelectorAll("[data-typed]")) {
    const field = document.querySelector("#checkout")?.elements.namedItem(blank.dataset.typed);
    if (field) blank.textContent = field.value;
  }
}

// Returns the chat's message, with the name that is typed in the form.
function message(chatUrl) {
  const text = new URL(chatOfTyped() ?? chatUrl).searchParams.get("text");
  return text.replace(document.querySelector("[data-link]").dataset.link, linkToPassOn());
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
