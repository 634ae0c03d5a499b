// Keeps an open inbox current: polls who waits every few seconds, and fetches the rows again when that has changed.

const EVERY_MS = 5000;
const HIDDEN_MS = 20_000;
const LONGEST_MS = 60_000;
const TIMEOUT_MS = 10_000;

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
// The server renders the rows before the panel, and a lead may arrive in between.
let isStale = document.querySelector("[data-inbox]").dataset.waiting !== panel.dataset.waiting;
let isPolling = false;
let isSignedOut = false;
let timer;

// --- Polling ---------------------------------------------------------------------------------------------------------

async function poll() {
  if (isPolling || isSignedOut) return;
  isPolling = true;
  clearTimeout(timer);
  try {
    const response = await get(panel.dataset.live, { "If-None-Match": known.etag });
    if (status.textContent === panel.dataset.lost) status.textContent = "";
    if (response.status === 200) update(await response.json(), response.headers.get("ETag"));
    if (isStale && !document.hidden) await refresh();
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 2) status.textContent = panel.dataset.lost;
  }
  isPolling = false;
  const pause = document.hidden ? HIDDEN_MS : EVERY_MS;
  if (!isSignedOut) timer = setTimeout(poll, Math.min(pause * 2 ** failures, LONGEST_MS));
}

async function get(url, headers = {}) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { headers, signal, redirect: "manual", cache: "no-store" });
  if (response.type === "opaqueredirect" || response.status === 403) {
    isSignedOut = true; // the redirect is to the login, so polling cannot succeed any more
    status.textContent = panel.dataset.signedOut;
  }
  if (!response.ok && response.status !== 304) throw new Error(response.status);
  return response;
}

function update({ waiting, newest, at }, etag) {
  if (at < known.at) return; // from another process of the site, whose cached state is older
  const came = Math.max(waiting - known.waiting, newest > known.newest ? 1 : 0);
  known = { waiting, newest, at, etag };
  isStale = true;
  showCount();
  if (came < 1) return;
  const text = came === 1 ? panel.dataset.one : panel.dataset.many.replace("{count}", came);
  status.textContent = text;
  if (isOn("live-sound")) beep();
  if (isOn("live-notify") && document.hidden) notify(text);
}

function showCount() {
  const shown = known.waiting > 1000 ? "1000+" : known.waiting;
  document.title = known.waiting ? `(${shown}) ${bareTitle}` : bareTitle;
}

async function refresh() {
  const parts = [...document.querySelectorAll("[data-inbox]")];
  // Do not replace rows while the user has ticked some.
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

document.addEventListener("visibilitychange", () => document.hidden || poll());
addEventListener("focus", poll);
addEventListener("online", poll);
showCount();
timer = setTimeout(poll, EVERY_MS);

// --- Sound and notifications, switched on by a click ------------------------------------------------------------------

const soundButton = panel.querySelector("[data-sound]");
const notifyButton = panel.querySelector("[data-notify]");
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

// The service worker shows notifications, because browsers on phones allow no page to do so.
async function notify(text) {
  const registration = await navigator.serviceWorker.getRegistration(panel.dataset.worker);
  if (await registration?.pushManager?.getSubscription()) return; // the server notifies this browser by push
  registration?.showNotification(text, { tag: "leads", data: { url: location.pathname } });
}

async function subscribe() {
  const registration = await navigator.serviceWorker.register(panel.dataset.worker);
  const key = bytes(panel.dataset.key);
  let subscription = await registration.pushManager?.getSubscription();
  if (subscription && !same(new Uint8Array(subscription.options.applicationServerKey), key)) {
    await subscription.unsubscribe(); // the site's key has changed
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
  notifyButton.hidden = false;
  notifyButton.ariaPressed = isOn("live-notify");
  notifyButton.addEventListener("click", async () => {
    if (isOn("live-notify")) {
      set("live-notify", notifyButton, false);
      await unsubscribe();
    } else if ((await Notification.requestPermission()) === "granted") {
      set("live-notify", notifyButton, true);
      await subscribe().catch(() => {}); // without a push service, notifications come only while the inbox is open
    } else {
      status.textContent = panel.dataset.refused;
    }
  });
  // Subscribe again on each load: another user may be logged in, or the site's key may have changed.
  if (isOn("live-notify") && Notification.permission === "granted") subscribe().catch(() => {});
}
