// Forwards dataLayer events to Google Analytics and Meta. A page loads this script only if its visitor agreed. They get
// folio and value, never the person, and never the full address of a quote, which contains the whole quote.

const { ga4, meta } = document.querySelector("script[data-tags]").dataset;
const EVENTS = ["quote_shown", "lead_submitted", "lead_warning", "whatsapp_opened"];
const META_EVENTS = { quote_shown: "ViewContent", lead_submitted: "Lead", whatsapp_opened: "Contact" };
const CAMPAIGN = /^(utm_\w+|gclid|fbclid)$/;
const layer = (window.dataLayer ??= []);

// Returns an address without personal data: of another site its origin, of this one no token and only campaign parameters.
function bare(address) {
  if (!address) return "";
  const { origin, pathname, searchParams } = new URL(address);
  if (origin !== location.origin) return origin;
  const campaign = new URLSearchParams([...searchParams].filter(([key]) => CAMPAIGN.test(key))).toString();
  return `${origin}${pathname.replace(/^\/q\/.*/, "/q/")}${campaign && `?${campaign}`}`;
}

function gtag() {
  layer.push(arguments); // Google's script handles only entries that are `arguments` objects
}

function loadGoogle() {
  gtag("js", new Date());
  gtag("config", ga4, {
    page_location: bare(location.href),
    page_referrer: bare(document.referrer),
    page_title: document.title.replace(/\d{6}(-\w+)+/, ""),
    cookie_domain: "none", // this host only, so that consent.js can delete the cookies
    allow_google_signals: false,
    allow_ad_personalization_signals: false,
  });
  const src = `https://www.googletagmanager.com/gtag/js?id=${ga4}`;
  document.head.append(Object.assign(document.createElement("script"), { async: true, src }));
}

function sendToMeta(event, { folio, value, currency } = {}) {
  const query = new URLSearchParams({ id: meta, ev: event, dl: bare(location.href), rl: bare(document.referrer) });
  if (folio) {
    query.set("eid", `${event}.${folio}`); // Meta counts events with the same id once
    query.set("cd[value]", value);
    query.set("cd[currency]", currency);
  }
  // keepalive: the request must finish although the page navigates to the chat.
  const options = { mode: "no-cors", credentials: "include", keepalive: true };
  fetch(`https://www.facebook.com/tr?${query}`, options).catch(() => {});
}

function forward(entry) {
  if (!EVENTS.includes(entry?.event)) return;
  const { event, ...details } = entry;
  if (ga4) gtag("event", event, details);
  if (meta && META_EVENTS[event]) sendToMeta(META_EVENTS[event], details);
}

// A cached page may still have this script after the visitor has withdrawn consent.
if (document.cookie.split("; ").includes("tags=yes")) {
  const earlierEntries = [...layer];
  if (ga4) loadGoogle();
  if (meta) sendToMeta("PageView");
  earlierEntries.forEach(forward);
  const push = layer.push.bind(layer);
  layer.push = (...entries) => {
    const length = push(...entries);
    entries.forEach(forward);
    return length;
  };
}
