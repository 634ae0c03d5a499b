// Keeps an open inbox current: asks every few seconds whether anybody came or went, and then fetches its rows anew.

const EVERY_MS = 5000;
const HIDDEN_MS = 20_000;
const LONGEST_MS = 60_000;
const PATIENCE_MS = 10_000;

const panel = document.querySelector("[data-live]");
const status = document.querySelector("[data-news]");
const bareTitle = document.title.replace(/^\(\d+\+?\) /, "");
let known = {
  waiting: Number(panel.dataset.waiting),
  newest: panel.dataset.newest,
  at: Number(panel.dataset.at),
  etag: panel.dataset.etag,
};
let failures = 0;
// Somebody may have come between the rows and the panel.
let isStale = document.querySelector("[data-inbox]").dataset.waiting !== panel.dataset.waiting;
let isAsking = false;
let isOver = false;
let timer;

// --- Asking ----------------------------------------------------------------------------------------------------------

async function ask() {
  if (isAsking || isOver) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    const answer = await get(panel.dataset.live, { "If-None-Match": known.etag });
    if (status.textContent === panel.dataset.lost) status.textContent = "";
    if (answer.status === 200) tell(await answer.json(), answer.headers.get("ETag"));
    if (isStale && !document.hidden) await refresh();
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 2) status.textContent = panel.dataset.lost;
  }
  isAsking = false;
  const pause = document.hidden ? HIDDEN_MS : EVERY_MS;
  if (!isOver) timer = setTimeout(ask, Math.min(pause * 2 ** failures, LONGEST_MS));
}

async function get(url, headers = {}) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(url, { headers, signal, redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect" || answer.status === 403) {
    isOver = true; // to the login, where asking on would lead again and again
    status.textContent = panel.dataset.signedOut;
  }
  if (!answer.ok && answer.status !== 304) throw new Error(answer.status);
  return answer;
}

function tell({ waiting, newest, at }, etag) {
  if (at < known.at) return; // another process of the site, which has not looked since
  const came = Math.max(waiting - known.waiting, newest > known.newest ? 1 : 0);
  known = { waiting, newest, at, etag };
  isStale = true;
  count();
  if (came < 1) return;
  const text = came === 1 ? panel.dataset.one : panel.dataset.many.replace("{count}", came);
  status.textContent = text;
  if (isOn("live-sound")) beep();
  if (isOn("live-notify") && document.hidden) show(text);
}

function count() {
  const shown = known.waiting > 1000 ? "1000+" : known.waiting;
  document.title = known.waiting ? `(${shown}) ${bareTitle}` : bareTitle;
}

async function refresh() {
  const parts = [...document.querySelectorAll("[data-inbox]")];
  // Ticked rows are about to be acted on: they stay as they are until then.
  if (parts.some((part) => part.querySelector("input:checked"))) return;
  const page = new DOMParser().parseFromString(await (await get(location.href)).text(), "text/html");
  const focused = parts.some((part) => part.contains(document.activeElement)) && selector(document.activeElement);
  for (const part of parts) {
    const fresh = page.querySelector(`[data-inbox="${part.dataset.inbox}"]`);
    if (fresh) part.replaceChildren(...fresh.childNodes);
  }
  if (focused) document.querySelector(focused)?.focus();
  isStale = false;
}

function selector(element) {
  const name = ["id", "formaction", "href"].find((name) => element.hasAttribute(name));
  return name && `[data-inbox] [${name}="${CSS.escape(element.getAttribute(name))}"]`;
}

document.addEventListener("visibilitychange", () => document.hidden || ask());
addEventListener("focus", ask);
addEventListener("online", ask);
count();
timer = setTimeout(ask, EVERY_MS);

// --- Sound and notices, after a click ---------------------------------------------------------------------------------

const sound = panel.querySelector("[data-sound]");
const notify = panel.querySelector("[data-notify]");
let audio;

function isOn(name) {
  try {
    return localStorage.getItem(name) === "on";
  } catch {
    return false; // storage is switched off: so are these
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
  sound.hidden = false;
  sound.ariaPressed = isOn("live-sound");
  sound.addEventListener("click", () => {
    set("live-sound", sound, !isOn("live-sound"));
    if (isOn("live-sound")) beep();
  });
  // A page may sound only after a touch or a key: the first one after loading wakes it up.
  const wake = () => isOn("live-sound") && (audio ??= new AudioContext()).resume();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, wake, { once: true });
}

// The service worker shows them, since a phone's browser lets nobody else; with push, also when the inbox is closed.
async function show(text) {
  const registration = await navigator.serviceWorker.getRegistration(panel.dataset.worker);
  if (await registration?.pushManager?.getSubscription()) return; // the server tells this browser
  registration?.showNotification(text, { tag: "leads", data: { url: location.pathname } });
}

async function subscribe() {
  const registration = await navigator.serviceWorker.register(panel.dataset.worker);
  const key = bytes(panel.dataset.key);
  let subscription = await registration.pushManager?.getSubscription();
  if (subscription && !same(new Uint8Array(subscription.options.applicationServerKey), key)) {
    await subscription.unsubscribe(); // the site has another key since
    subscription = null;
  }
  await navigator.serviceWorker.ready;
  subscription ??= await registration.pushManager?.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  if (subscription) await send(subscription, {});
}

async function unsubscribe() {
  const registration = await navigator.serviceWorker.getRegistration(panel.dataset.worker);
  const subscription = await registration?.pushManager?.getSubscription();
  if (!subscription) return;
  await send(subscription, { off: "1" });
  await subscription.unsubscribe();
}

function send(subscription, fields) {
  const { endpoint, keys } = subscription.toJSON();
  const body = new URLSearchParams({ csrfmiddlewaretoken: panel.dataset.token, endpoint, ...keys, ...fields });
  return fetch(panel.dataset.switch, { method: "POST", body });
}

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

if ("serviceWorker" in navigator && "Notification" in window) {
  notify.hidden = false;
  notify.ariaPressed = isOn("live-notify");
  notify.addEventListener("click", async () => {
    if (isOn("live-notify")) {
      set("live-notify", notify, false);
      await unsubscribe();
    } else if ((await Notification.requestPermission()) === "granted") {
      set("live-notify", notify, true);
      await subscribe().catch(() => {}); // no push service: notices still come while the inbox is open
    } else {
      status.textContent = panel.dataset.refused;
    }
  });
  // Whoever is logged in here now is the one to tell; and a key of the site that changed is made good.
  if (isOn("live-notify") && Notification.permission === "granted") subscribe().catch(() => {});
}
