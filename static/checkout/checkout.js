// Without this script the form is sent as it is, and the browser follows the redirect into the chat. With it, the chat
// opens even when our server does not answer: from the page itself, and the lead is kept here until it can be sent.
// Tells the shop's analytics, where it has some, what became of a quote: the folio and the value, never the person.

import { keep } from "./kept.js";

// With the time that the disk has in kept.js, the chat is open within three seconds.
const SERVER_MS = 2500;
const LONGEST_URL = 2000;

const form = document.querySelector("#checkout");
const paper = document.querySelector(".paper");
let isUnderWay = false;

function tell(event, more = {}) {
  const { folio, value, currency } = paper?.dataset ?? {};
  (window.dataLayer ??= []).push({ event, folio, value, currency, ...more });
}

form?.addEventListener("submit", async (event) => {
  if (event.submitter?.hasAttribute("formaction")) return; // to another page than the chat
  if (!paper) return; // the link was broken: the server's page says so
  event.preventDefault();
  if (isUnderWay) return;
  isUnderWay = true;
  const fields = Object.fromEntries(new FormData(form));
  const answer = await checkedOut(fields).catch(() => null);
  if (answer?.success) {
    tell("lead_submitted");
    if (answer.warning) tell("lead_warning", { warning: answer.warning });
    location.assign(answer.whatsapp_url);
  } else if (answer) {
    form.submit(); // the server's page says what to mend
  } else {
    await goWithoutServer(fields);
  }
});

// Rejects where nobody answers, or not in our words: a proxy's error page, a hotel's login.
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
  isUnderWay = false;
  if (!form.reportValidity()) return;
  const sent = { ...fields, submitted_at: new Date().toISOString(), notice_version: form.dataset.notice };
  await keep(paper.dataset.folio, form.dataset.late, sent);
  tell("lead_submitted");
  tell("lead_warning", { warning: "kept" });
  location.assign(chatFor(fields.name.trim()));
}

function chatFor(name) {
  const url = form.dataset.chatForName.replace("%7Bname%7D", () => encodeURIComponent(name));
  return url.length <= LONGEST_URL ? url : document.querySelector("[data-chat]").href;
}

addEventListener("pageshow", () => { isUnderWay = false; });
if (paper) tell("quote_shown");
for (const chat of document.querySelectorAll("[data-chat], [data-reopen] a")) {
  chat.addEventListener("click", () => tell("whatsapp_opened"));
}
