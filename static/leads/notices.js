// The switch for notices on this device. It is on only while the push service has a subscription that the site took.

const WISH = "live-notify"; // in localStorage: the user wants notices, also after the browser has lost the subscription

const panel = document.querySelector("[data-live]");
const button = panel.querySelector("[data-notify]");
const sentence = panel.querySelector("[data-notices]");
const isApple = /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
const isInstalled = navigator.standalone === true || matchMedia("(display-mode: standalone)").matches;
const isAble = "serviceWorker" in navigator && "Notification" in window && "PushManager" in window;

class Off extends Error {} // message: the name of the sentence that says why, in the panel's dataset

function show(isOn, why = "") {
  button.ariaPressed = isOn;
  sentence.textContent = why && panel.dataset[why];
}

function remember(isWished) {
  try {
    localStorage.setItem(WISH, isWished ? "on" : "off");
  } catch {
    // Storage is disabled: the subscription itself is remembered by the browser.
  }
}

async function switchOn() {
  if (!isAble) throw new Off(isApple && !isInstalled ? "homeScreen" : "unable");
  if ((await Notification.requestPermission()) !== "granted") throw new Off("denied");
  const subscription = await subscribed();
  if (!(await isTaken(subscription, {}))) throw new Off("refused");
}

async function subscribed() {
  const key = bytes(panel.dataset.key);
  try {
    const registration = await navigator.serviceWorker.register(panel.dataset.worker);
    let subscription = await registration.pushManager.getSubscription();
    if (subscription && !same(new Uint8Array(subscription.options.applicationServerKey), key)) {
      await subscription.unsubscribe(); // the site's key has changed
      subscription = null;
    }
    await navigator.serviceWorker.ready;
    subscription ??= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    if (subscription) return subscription;
  } catch {
    // Said below: a browser without a push service, or one that cannot reach it, has many kinds of errors.
  }
  throw new Off("noService");
}

async function switchOff() {
  const subscription = await current();
  if (!subscription) return;
  await isTaken(subscription, { off: "1" }); // if not, the push service tells the site at its next notice
  await subscription.unsubscribe();
}

async function current() {
  const registration = await navigator.serviceWorker?.getRegistration(panel.dataset.worker);
  return registration?.pushManager?.getSubscription();
}

// Returns whether the site has stored, or deleted, the subscription.
async function isTaken(subscription, fields) {
  const { endpoint, keys } = subscription.toJSON();
  const body = new URLSearchParams({ csrfmiddlewaretoken: panel.dataset.token, endpoint, ...keys, ...fields });
  try {
    return (await fetch(panel.dataset.switch, { method: "POST", body, redirect: "manual" })).status === 204;
  } catch {
    return false; // no connection
  }
}

async function change(step, isOn) {
  button.disabled = true;
  try {
    await step();
    show(isOn);
  } catch (error) {
    show(false, error instanceof Off ? error.message : "noService");
  }
  button.disabled = false;
}

function isWished() {
  try {
    return localStorage.getItem(WISH) === "on";
  } catch {
    return false;
  }
}

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

button.hidden = false;
button.addEventListener("click", async () => {
  const isWanted = button.ariaPressed !== "true";
  await change(isWanted ? switchOn : switchOff, isWanted);
  remember(button.ariaPressed === "true");
});
if (!isAble && isApple && !isInstalled) sentence.textContent = panel.dataset.homeScreen;
// Subscribe again on each load: another user may be logged in, or the site's key may have changed. When the site cannot
// take it now, as in an outage, the next load tries again.
if (isAble && Notification.permission === "granted" && (isWished() || (await current()))) change(switchOn, true);
