// The customers' service worker: their pages where there is no network, or no server that answers. It asks the network
// first, leaves staff's pages and everything that is sent alone, and holds one release, whole: the calculator as it is
// without a connection, and the quotes that this device has seen.

import { send } from "./kept.js";

const SERVER_MS = 3000;
const MOST_QUOTES = 30;
const CALCULATOR = "/offline/";

// files: what a release's pages are made of; pages: the calculator, for the browser's language and for each other.
export function serve({ release, files, pages }) {
  addEventListener("install", (event) => event.waitUntil(install(release, files, pages)));
  addEventListener("activate", (event) => event.waitUntil(leaveBehind(release)));
  addEventListener("sync", (event) => event.waitUntil(send()));
  addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== location.origin || isStaff(url.pathname)) return;
    if (request.mode === "navigate") {
      if (isCalculator(url) || isQuote(url)) event.respondWith(page(event, url, release));
    } else if (files.includes(url.pathname)) {
      event.respondWith(piece(request, url, release));
    }
  });
}

const isStaff = (path) => path.startsWith("/admin/");
const isCalculator = ({ pathname }) => pathname === "/";
const isQuote = ({ pathname }) => pathname.startsWith("/q/");

async function kept(request, release) {
  const cache = await caches.open(release);
  return cache.match(request, { ignoreVary: true });
}

// What a browser may keep for good by its name has its content's digest in it; in development nothing has.
async function piece(request, url, release) {
  const mayHaveChanged = url.pathname.startsWith("/static/") && !/\.[0-9a-f]{12}\.\w+$/.test(url.pathname);
  const fresh = mayHaveChanged && (await fetch(request).catch(() => null));
  return fresh || (await kept(request, release)) || fetch(request);
}

async function install(release, files, pages) {
  const cache = await caches.open(release);
  // The page that brought us here was there before us.
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const seen = open.map(({ url }) => new URL(url)).filter(isQuote).map(keyOf);
  await cache.addAll([...files, ...pages.map((url) => new Request(url, { cache: "no-cache" }))]);
  await Promise.all(seen.map((url) => cache.add(url).catch(() => {})));
  await skipWaiting();
}

async function leaveBehind(release) {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== release).map((name) => caches.delete(name)));
  // The browser then asks for a page while it still wakes the worker up.
  await registration.navigationPreload?.enable();
  await clients.claim();
}

// Whatever else an address says, of a campaign for instance, the page is the same.
function keyOf(url) {
  const language = url.searchParams.get("lang");
  return (isCalculator(url) ? CALCULATOR : url.pathname) + (language ? `?lang=${language}` : "");
}

async function page(event, url, release) {
  const ours = await kept(keyOf(url), release);
  const asked = Promise.resolve(event.preloadResponse).then((early) => early ?? fetch(event.request));
  if (!ours) return asked.then((response) => remember(response, url, release));
  event.waitUntil(asked.catch(() => {}));
  const tooLate = new Promise((resolve) => setTimeout(resolve, SERVER_MS));
  const response = await Promise.race([asked, tooLate]).catch(() => null);
  return response && response.status < 500 ? remember(response, url, release) : ours;
}

async function remember(response, url, release) {
  if (!isQuote(url) || response.status !== 200 || response.redirected) return response;
  const cache = await caches.open(release);
  await cache.put(keyOf(url), response.clone());
  const quotes = (await cache.keys()).filter((each) => isQuote(new URL(each.url)));
  await Promise.all(quotes.slice(0, -MOST_QUOTES).map((each) => cache.delete(each)));
  return response;
}
