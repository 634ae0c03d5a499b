// The customers' service worker. It answers page loads without a network or a working server, from the files of one
// release: the offline calculator, and the quotes that this device has opened. It asks the network first, and handles
// neither staff pages nor anything but GET requests.

import { send } from "./kept.js";

const SERVER_MS = 3000;
const MOST_QUOTES = 30;
const CALCULATOR = "/offline/";

// release: the name of the cache; files: addresses of scripts, styles and pictures; pages: addresses of the calculator,
// one without a language and one for each.
export function serve({ release, files, pages }) {
  addEventListener("install", (event) => event.waitUntil(install(release, files, pages)));
  addEventListener("activate", (event) => event.waitUntil(activate(release)));
  addEventListener("sync", (event) => event.waitUntil(send()));
  addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== location.origin || isStaff(url.pathname)) return;
    if (request.mode === "navigate") {
      if (isCalculator(url) || isQuote(url)) event.respondWith(page(event, url, release));
    } else if (files.includes(url.pathname)) {
      event.respondWith(file(request, url, release));
    }
  });
}

const isStaff = (path) => path.startsWith("/admin/");
const isCalculator = ({ pathname }) => pathname === "/";
const isQuote = ({ pathname }) => pathname.startsWith("/q/") && pathname.endsWith("/"); // and not its PDF

async function cached(request, release) {
  const cache = await caches.open(release);
  return cache.match(request, { ignoreVary: true });
}

// In production a file's name has a hash of its content, so the cached copy is current. In development it has none.
async function file(request, url, release) {
  const mayHaveChanged = url.pathname.startsWith("/static/") && !/\.[0-9a-f]{12}\.\w+$/.test(url.pathname);
  const fresh = mayHaveChanged && (await fetch(request).catch(() => null));
  return fresh || (await cached(request, release)) || fetch(request);
}

async function install(release, files, pages) {
  const cache = await caches.open(release);
  // Quotes that are open now were loaded before this worker existed, so they are cached here.
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const openQuotes = windows.map(({ url }) => new URL(url)).filter(isQuote).map(keyOf);
  await cache.addAll([...files, ...pages.map((url) => new Request(url, { cache: "no-cache" }))]);
  await Promise.all(openQuotes.map((url) => cache.add(url).catch(() => {})));
  await skipWaiting();
}

// Deletes the caches of other releases and takes control of the open pages.
async function activate(release) {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== release).map((name) => caches.delete(name)));
  // The browser then requests a page while it starts the worker.
  await registration.navigationPreload?.enable();
  await clients.claim();
}

// Only the language changes the page. Other parameters, of a campaign for instance, do not.
function keyOf(url) {
  const language = url.searchParams.get("lang");
  return (isCalculator(url) ? CALCULATOR : url.pathname) + (language ? `?lang=${language}` : "");
}

async function page(event, url, release) {
  const copy = await cached(keyOf(url), release);
  const answer = Promise.resolve(event.preloadResponse).then((preloaded) => preloaded ?? fetch(event.request));
  if (!copy) return answer.then((response) => remember(response, url, release));
  event.waitUntil(answer.catch(() => {}));
  const timeout = new Promise((resolve) => setTimeout(resolve, SERVER_MS));
  const response = await Promise.race([answer, timeout]).catch(() => null);
  return response && response.status < 500 ? remember(response, url, release) : copy;
}

// Caches the page of a quote, keeping the newest MOST_QUOTES, and returns the response.
async function remember(response, url, release) {
  if (!isQuote(url) || response.status !== 200 || response.redirected) return response;
  const cache = await caches.open(release);
  await cache.put(keyOf(url), response.clone());
  const quotes = (await cache.keys()).filter((each) => isQuote(new URL(each.url)));
  await Promise.all(quotes.slice(0, -MOST_QUOTES).map((each) => cache.delete(each)));
  return response;
}
