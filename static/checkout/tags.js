// Hands what dataLayer is told to Google Analytics and Meta. A page has this script only where its visitor agreed.
// They learn the folio and the value, never the person; and never a quote's address, which holds the whole quote.

const { ga4, meta } = document.querySelector("script[data-tags]").dataset;
const EVENTS = ["quote_shown", "lead_submitted", "lead_warning", "whatsapp_opened"];
const META_EVENTS = { quote_shown: "ViewContent", lead_submitted: "Lead", whatsapp_opened: "Contact" };
const CAMPAIGN = /^(utm_\w+|gclid|fbclid)$/;
const layer = (window.dataLayer ??= []);

function bare(address) {
  if (!address) return "";
  const { origin, pathname, searchParams } = new URL(address);
  if (origin !== location.origin) return origin;
  const campaign = new URLSearchParams([...searchParams].filter(([key]) => CAMPAIGN.test(key))).toString();
  return `${origin}${pathname.replace(/^\/q\/.*/, "/q/")}${campaign && `?${campaign}`}`;
}

function gtag() {
  layer.push(arguments); // Google's script tells these from other entries by their being arguments
}

function loadGoogle() {
  gtag("js", new Date());
  gtag("config", ga4, {
    page_location: bare(location.href),
    page_referrer: bare(document.referrer),
    page_title: document.title.replace(/\d{6}(-\w+)+/, ""),
    cookie_domain: "none", // of this host alone, where an answer taken back can delete it
    allow_google_signals: false,
    allow_ad_personalization_signals: false,
  });
  const src = `https://www.googletagmanager.com/gtag/js?id=${ga4}`;
  document.head.append(Object.assign(document.createElement("script"), { async: true, src }));
}

function tellMeta(event, { folio, value, currency } = {}) {
  const query = new URLSearchParams({ id: meta, ev: event, dl: bare(location.href), rl: bare(document.referrer) });
  if (folio) {
    query.set("eid", `${event}.${folio}`); // twice the same counts once
    query.set("cd[value]", value);
    query.set("cd[currency]", currency);
  }
  // It outlives the page, which goes on to the chat.
  const how = { mode: "no-cors", credentials: "include", keepalive: true };
  fetch(`https://www.facebook.com/tr?${query}`, how).catch(() => {});
}

function forward(entry) {
  if (!EVENTS.includes(entry?.event)) return;
  const { event, ...said } = entry;
  if (ga4) gtag("event", event, said);
  if (meta && META_EVENTS[event]) tellMeta(META_EVENTS[event], said);
}

// An answer that was taken back counts in a page kept from before, too.
if (document.cookie.split("; ").includes("tags=yes")) {
  const before = [...layer];
  if (ga4) loadGoogle();
  if (meta) tellMeta("PageView");
  before.forEach(forward);
  const push = layer.push.bind(layer);
  layer.push = (...entries) => {
    const length = push(...entries);
    entries.forEach(forward);
    return length;
  };
}
