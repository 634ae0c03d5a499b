// Changes rows of the open list where they are, so that nothing moves, and nothing changes under a finger.
// Contacted and Undo are done without leaving the page; when that fails, the form is sent as it is without this script.

const CALM_MS = 1000;
const LONGEST_PRESS_MS = 10_000; // the end of a longer one was missed
const UNDO_FOR_MS = 600_000;
const TIMEOUT_MS = 10_000;
const RETURN_COUNTS_MS = 30_000; // by then, the count has it
const LOOK_AFTER_MS = [500, 1500, 4000];

const UNDO = "[name=undo], [data-undo]";

const inbox = document.querySelector("[data-inbox]");
const form = document.querySelector("#tap");
const settled = new WeakMap(); // by row: { box, html, at }
let isDown = false;
let touchedAt = -Infinity;
let isSentByBrowser = false;
let returns = []; // when rows that were shown as taken were found to wait again

// --- Fingers ---------------------------------------------------------------------------------------------------------

function touched(event) {
  touchedAt = performance.now();
  if (event.type !== "scroll") isDown = event.touches ? event.touches.length > 0 : event.buttons > 0;
}

// While a finger scrolls, there are no pointer events, but it still touches.
for (const kind of ["pointerdown", "pointerup", "touchstart", "touchend", "touchcancel", "dragend", "scroll"]) {
  addEventListener(kind, touched, { capture: true, passive: true });
}

export function isCalm() {
  const since = performance.now() - touchedAt;
  return since >= (isDown ? LONGEST_PRESS_MS : CALM_MS);
}

export async function calm() {
  while (!isCalm()) await sleep(100);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
const rowsIn = (part) => [...part.querySelectorAll("[data-lead]")];
const ticksIn = (part) => [...part.querySelectorAll("[name=lead]")];
const sameRow = (part, row) => part.querySelector(`[data-lead="${CSS.escape(row.dataset.lead)}"]`);

// --- What colleagues did ---------------------------------------------------------------------------------------------

export const hasRows = () => rowsIn(inbox).length > 0;

// Shows in each row who has its customer now.
export async function settle() {
  const rows = rowsIn(inbox);
  if (!rows.length) return;
  const url = `${inbox.dataset.states}?leads=${rows.map((row) => row.dataset.lead)}`;
  const answer = await fetch(url, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(answer.status);
  const page = parsed(await answer.text());
  await calm();
  for (const row of rows) show(row, sameRow(page, row));
}

// Returns how many of the leads by which the count of those who wait has grown are not new: a tap on them was undone.
export function takeReturned(more) {
  returns = returns.filter((at) => performance.now() - at < RETURN_COUNTS_MS);
  return returns.splice(0, Math.max(0, more)).length;
}

export async function showCount(text) {
  await calm();
  const count = inbox.querySelector(".tabs .count");
  if (count) count.textContent = text;
}

// Replaces all rows; those that the user has just contacted stay among them, with Undo. Returns the rows that are new.
export function replace(page) {
  const fresh = page.querySelector("[data-inbox]");
  const before = rowsIn(inbox);
  const mine = before.filter((row) => isUndoable(row) && !sameRow(fresh, row));
  const body = fresh.querySelector(".people");
  if (mine.length && !body) {
    for (const row of before) if (!mine.includes(row)) row.remove();
    return [];
  }
  for (const row of mine) {
    let next = row.nextElementSibling;
    while (next && !sameRow(body, next)) next = next.nextElementSibling;
    body.insertBefore(row, next && sameRow(body, next));
  }
  const known = new Set(before.map((row) => row.dataset.lead));
  const ticked = new Set(ticksIn(inbox).flatMap((box) => (box.checked ? [box.value] : [])));
  inbox.replaceChildren(...fresh.childNodes);
  for (const box of ticksIn(inbox)) box.checked = ticked.has(box.value);
  offerToTickAll();
  return rowsIn(inbox).filter((row) => !known.has(row.dataset.lead));
}

function isUndoable(row) {
  const shown = settled.get(row);
  return shown?.box.querySelector(UNDO) && performance.now() - shown.at < UNDO_FOR_MS;
}

// Puts what the server says about a lead over the row's buttons. They keep their place, unseen, so that nothing moves.
function show(row, fresh) {
  const cell = row.querySelector(".acts");
  const before = row.dataset.now ?? row.dataset.state;
  const now = fresh?.dataset.state ?? "gone";
  if (isDone(row) && now !== "done") return; // what the user did there can still be taken back
  if (now === "waiting" && before !== "waiting") returns.push(performance.now());
  row.dataset.now = now;
  if (now === row.dataset.state) return restore(row, cell);
  const html = fresh ? fresh.innerHTML : `<span>${inbox.dataset.gone}</span>`;
  let shown = settled.get(row);
  if (shown?.html === html) return;
  const hadFocus = cell.contains(document.activeElement);
  if (!shown) {
    shown = { box: document.createElement("div"), at: performance.now() };
    shown.box.className = "box";
    settled.set(row, shown);
    cell.append(shown.box);
  }
  shown.html = html;
  shown.box.innerHTML = html;
  row.classList.add("settled");
  row.classList.toggle("mine", Boolean(shown.box.querySelector(UNDO)));
  if (hadFocus) (shown.box.querySelector("button") ?? row.querySelector("a")).focus();
}

// Whether the card still offers to take back what the user did there, such as a sale, which its state does not show.
function isDone(row) {
  return row.dataset.done && isUndoable(row);
}

function restore(row, cell) {
  const shown = settled.get(row);
  if (!shown) return;
  const hadFocus = cell.contains(document.activeElement);
  shown.box.remove();
  settled.delete(row);
  row.classList.remove("settled", "mine");
  if (hadFocus) cell.querySelector("button, a")?.focus();
}

// --- What the user does ----------------------------------------------------------------------------------------------

if (form && inbox) {
  // The server then adds no message with Undo for the next page: the row has it.
  form.insertAdjacentHTML("beforeend", '<input type="hidden" name="in_place" value="1">');
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    const row = button?.closest("[data-lead]");
    if (!row || isSentByBrowser) return;
    if (button.matches(".whatsapp")) return void look(row); // the browser opens the chat in another tab
    event.preventDefault();
    tap(row, button);
  });
}

function offerToTickAll() {
  const button = inbox.querySelector("[data-tick]");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const boxes = ticksIn(inbox);
    const isTicked = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !isTicked;
  });
}

if (inbox) offerToTickAll();

async function tap(row, button) {
  const body = new FormData(form, button);
  const buttons = [...row.querySelectorAll("button")].filter((each) => !each.disabled);
  const hadFocus = document.activeElement === button;
  const setBusy = (isBusy) => {
    row.ariaBusy = isBusy;
    for (const each of buttons) each.disabled = isBusy;
    if (hadFocus && !isBusy) button.focus();
  };
  setBusy(true);
  let answer;
  try {
    const headers = { "X-Requested-With": "rows" };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    answer = await fetch(button.formAction, { method: "POST", body, headers, signal, redirect: "manual" });
  } catch {
    return send(button, setBusy); // the browser then says what is wrong
  }
  if (!answer.ok && answer.status !== 409) return send(button, setBusy); // an outage, a login: the answer is a page
  const page = parsed(await answer.text());
  await calm(); // a second tap at once must not hit Undo
  setBusy(false);
  const fresh = sameRow(page, row);
  if (fresh && "isStep" in fresh.dataset) return showStep(row, fresh);
  if (fresh?.dataset.state === "done") return showDone(row, fresh);
  delete row.dataset.done;
  show(row, fresh);
}

// The next step stands where it stood, with its undo beside it; the card's buttons stay.
function showStep(row, fresh) {
  const step = row.querySelector("[data-step]");
  const hadFocus = row.contains(document.activeElement) || document.activeElement === document.body;
  step.replaceChildren(...fresh.childNodes);
  if (hadFocus) step.querySelector("button")?.focus({ preventScroll: true });
}

function showDone(row, fresh) {
  row.dataset.done = 1;
  if (!fresh.querySelector(UNDO)) {
    // What was done was to take something back: the card is as it was.
    delete row.dataset.done;
    restore(row, row.querySelector(".acts"));
    return;
  }
  show(row, fresh);
}

function send(button, setBusy) {
  setBusy(false);
  isSentByBrowser = true;
  form.requestSubmit(button);
  isSentByBrowser = false;
}

// The chat's tab does not tell when the server has marked the lead.
async function look(row) {
  for (const ms of LOOK_AFTER_MS) {
    await sleep(ms);
    if (settled.has(row)) return;
    await settle().catch(() => {}); // the next look, or the next poll, tries again
  }
}
