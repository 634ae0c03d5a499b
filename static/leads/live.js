// Keeps an open inbox current: polls who waits every few seconds. Rows change where they are; new ones wait until the
// user asks for them, because a row that moves makes a tap hit another customer.

import * as rows from "./rows.js";

const EVERY_MS = 5000;
const HIDDEN_MS = 20_000;
const LONGEST_MS = 60_000;
const TIMEOUT_MS = 10_000;
const RETURN_MS = 1000; // so soon after coming back to the tab, nobody has aimed at a row yet

const panel = document.querySelector("[data-live]");
const status = document.querySelector("[data-news]");
const showLink = document.querySelector("[data-show]");
const bareTitle = document.title.replace(/^\(\d+\+?\) /, "");
let known = {
  waiting: Number(panel.dataset.waiting),
  newest: panel.dataset.newest,
  at: Number(panel.dataset.at),
  etag: panel.dataset.etag,
};
let failures = 0;
// The server renders the rows before the panel, and a lead may arrive in between.
let isStale = document.querySelector("[data-inbox]").dataset.waiting !== panel.dataset.waiting;
let isPolling = false;
let mustPollAgain = false; // asked for while a poll was under way
let isSignedOut = false;
let newestEver = known.newest;
let unseen = 0; // leads that came and are not among the rows
let returnedAt = -Infinity;
let timer;

// --- Polling ---------------------------------------------------------------------------------------------------------

async function poll() {
  if (isPolling) {
    mustPollAgain = true;
    return;
  }
  isPolling = true;
  mustPollAgain = false;
  clearTimeout(timer);
  try {
    const response = await get(panel.dataset.live, { "If-None-Match": known.etag });
    if (status.textContent === panel.dataset.lost || isSignedOut) status.textContent = "";
    isStale ||= isSignedOut; // logged in again, perhaps as somebody else
    isSignedOut = false;
    if (response.status === 200) {
      const state = await response.json();
      // More people wait, and nobody asked: perhaps a colleague undid a tap on a row that is shown.
      if (state.waiting > known.waiting && state.newest <= newestEver && !document.hidden) await rows.settle();
      update(state, response.headers.get("ETag"));
    }
    if (isStale && !document.hidden) await (mayReplace() ? refresh() : settle());
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 2 && !isSignedOut) status.textContent = panel.dataset.lost;
  }
  isPolling = false;
  if (mustPollAgain) return poll();
  const pause = document.hidden ? HIDDEN_MS : EVERY_MS;
  timer = setTimeout(poll, isSignedOut ? LONGEST_MS : Math.min(pause * 2 ** failures, LONGEST_MS));
}

async function get(url, headers = {}) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { headers, signal, redirect: "manual", cache: "no-store" });
  const isRefused = response.type === "opaqueredirect" || response.status === 403; // the redirect is to the login
  if (isRefused && !isSignedOut) saySignedOut();
  if (!response.ok && response.status !== 304) throw new Error(response.status);
  return response;
}

function saySignedOut() {
  isSignedOut = true; // until a login in this tab, by the link, or in another one
  const link = document.createElement("a");
  link.href = `${panel.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = panel.dataset.logIn;
  status.replaceChildren(`${panel.dataset.signedOut} `, link);
}

function update({ waiting, newest, at }, etag) {
  if (at < known.at) return; // from another process of the site, whose cached state is older
  const more = waiting - known.waiting;
  const came = Math.max(more - rows.takeReturned(more), newest > newestEver ? 1 : 0);
  known = { waiting, newest, at, etag };
  if (newest > newestEver) newestEver = newest;
  isStale = true;
  showCount();
  if (came < 1) return;
  unseen += came;
  if (isOn("live-sound")) beep();
  rows.calm().then(announce); // the line above the list may be under a finger
}

function announce() {
  if (!unseen) return; // the rows are shown already
  status.textContent = unseen === 1 ? panel.dataset.one : panel.dataset.many.replace("{count}", unseen);
  showLink.hidden = false;
}

function showCount() {
  const shown = known.waiting > 1000 ? "1000+" : known.waiting;
  document.title = known.waiting ? `(${shown}) ${bareTitle}` : bareTitle;
  rows.showCount(shown);
}

function mayReplace() {
  return rows.isCalm() && (!rows.hasRows() || performance.now() - returnedAt < RETURN_MS);
}

async function settle() {
  await rows.settle();
  isStale = false;
}

// Returns the rows that were not shown before.
async function refresh({ isAsked = false } = {}) {
  const page = new DOMParser().parseFromString(await (await get(location.href)).text(), "text/html");
  if (!isAsked && !mayReplace()) return settle(); // the answer took too long
  const fresh = rows.replace(page);
  [unseen, isStale, showLink.hidden] = [0, false, true];
  return fresh;
}

showLink.addEventListener("click", async (event) => {
  const query = new URLSearchParams(location.search);
  const isOther = [...query.keys()].some((key) => key !== "status") || (query.get("status") ?? "waiting") !== "waiting";
  if (isOther) return; // the link leads to the list of those who wait
  event.preventDefault();
  let first;
  try {
    [first] = await refresh({ isAsked: true });
  } catch {
    status.textContent = panel.dataset.lost;
    return;
  }
  // Those who wait longest are on the first page. In the list of all, the newest are.
  if (!first) return location.assign(`${showLink.pathname}?status=all`);
  status.textContent = "";
  first.scrollIntoView({ block: "center" });
  first.querySelector("a").focus({ preventScroll: true });
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  returnedAt = performance.now();
  poll();
});
addEventListener("focus", poll);
addEventListener("online", poll);
unseen = Math.max(0, known.waiting - Number(document.querySelector("[data-inbox]").dataset.waiting));
announce();
showCount();
timer = setTimeout(poll, EVERY_MS);

// --- Sound, switched on by a click -----------------------------------------------------------------------------------

const soundButton = panel.querySelector("[data-sound]");
let audio;

function isOn(name) {
  try {
    return localStorage.getItem(name) === "on";
  } catch {
    return false; // storage is disabled
  }
}

function set(name, button, on) {
  try {
    localStorage.setItem(name, on ? "on" : "off");
  } catch {
    return;
  }
  button.ariaPressed = on;
}

function beep() {
  audio ??= new AudioContext();
  const [tone, volume] = [audio.createOscillator(), audio.createGain()];
  tone.frequency.value = 880;
  volume.gain.setValueAtTime(0.2, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.4);
}

if ("AudioContext" in window) {
  soundButton.hidden = false;
  soundButton.ariaPressed = isOn("live-sound");
  soundButton.addEventListener("click", () => {
    set("live-sound", soundButton, !isOn("live-sound"));
    if (isOn("live-sound")) beep();
  });
  // Browsers allow sound only after a touch or a key, so the first one after loading enables it.
  const enableAudio = () => isOn("live-sound") && (audio ??= new AudioContext()).resume();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, enableAudio, { once: true });
}
