// A quote without a server: priced on this device, shown in the calculator's place, taken to the chat with a folio of the
// device's own, and sent when there is a connection. Every word of it says that the price is to be confirmed.

import { Refused, folio, money } from "../quoter/engine.js";
import { bill, filled, kitOf, quantity, request, typedLines } from "../quoter/offline.js";
import { keep } from "./kept.js";

const LONGEST_URL = 2000;

// For a browser that has no worker to keep things for it: while this page stands, all is at hand.
export { kitOf as prepare };

// Puts the quote of the calculator's form in its place, or says beside the total what is to be mended first.
export async function quote(form) {
  const kit = await kitOf(form);
  const lines = typedLines(new FormData(form)).map(request);
  const now = new Date();
  let priced;
  try {
    priced = kit.engine.price(lines, kit.today());
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    sayWhatToMend(form, refused.errors);
    return;
  }
  const letters = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte & 31);
  show(form, kit, { ...priced, folio: folio(kit.today(), letters), issued_at: now.toISOString() }, lines);
}

function sayWhatToMend(form, errors) {
  const list = Object.assign(document.createElement("ul"), { className: "hints" });
  for (const message of new Set(errors.map((error) => error.message))) {
    list.append(Object.assign(document.createElement("li"), { textContent: message }));
  }
  const summary = form.querySelector("#summary");
  summary.replaceChildren(list);
  summary.tabIndex = -1;
  summary.focus();
}

function show(form, kit, given, lines) {
  const { language, zone } = kit.desk;
  const made = new Intl.DateTimeFormat(language === "es" ? "es-MX" : "en", { dateStyle: "full", timeZone: zone });
  const holder = document.createElement("template");
  holder.innerHTML = filled(kit, "quote", {
    folio: given.folio,
    value: given.total,
    currency: given.currency,
    made: made.format(new Date(given.issued_at)),
    chat: chatUrl(kit, given, ""),
  });
  const section = holder.content.firstElementChild;
  section.querySelector("[data-bill]").innerHTML = bill(kit, given);
  const calculator = [...form.parentElement.children];
  calculator.forEach((piece) => { piece.dataset.aside = piece.hidden; piece.hidden = true; });
  form.parentElement.append(section);
  section.querySelector("h1").focus();
  scrollTo(0, 0);
  section.querySelector("[data-back]").addEventListener("click", () => {
    section.remove();
    calculator.forEach((piece) => { piece.hidden = piece.dataset.aside === "true"; });
    form.querySelector(".summary button.primary").focus();
  });
  section.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const details = event.target;
    if (!details.reportValidity()) return;
    const fields = Object.fromEntries(new FormData(details));
    const sent = {
      ...fields,
      folio: given.folio,
      issued_at: given.issued_at,
      language,
      lines,
      total: given.total,
      attribution: new FormData(form).get("attribution") ?? "",
      submitted_at: new Date().toISOString(),
      notice_version: details.dataset.notice,
    };
    delete sent.token;
    await keep(given.folio, details.dataset.late, sent);
    location.assign(chatUrl(kit, given, fields.name.trim()));
  });
}

// As checkout/whatsapp.py: lines are left out from the end, then the name, to keep within what opens everywhere.
function chatUrl(kit, given, name) {
  const counts = [...given.lines.keys(), given.lines.length].reverse();
  let url;
  for (const [shown, said] of [...counts.map((count) => [count, name]), [0, ""]]) {
    url = `https://wa.me/${kit.desk.number}?text=${encodeURIComponent(message(kit, given, said, shown))}`;
    if (url.length <= LONGEST_URL) break;
  }
  return url;
}

function message({ desk: { texts } }, given, name, shown) {
  const say = (key, values) => texts[key].replace(/\{(\w+)\}/g, (_, each) => values[each]);
  const left = given.lines.length - shown;
  const more = left === 1 ? (shown ? "ONE_MORE" : "ALL_ONE") : shown ? "MORE" : "ALL";
  const greeting = name ? say("GREETING", { name }) : texts.HELLO;
  return [
    `${greeting} ${say("SUBJECT", { folio: given.folio })}`,
    ...given.lines.slice(0, shown).map(({ billed, unit, description, extras }) =>
      say("LINE", { billed: quantity(billed), unit, description }) +
      (extras.length ? say("EXTRAS", { extras: extras.map((extra) => extra.description).join(", ") }) : "")),
    ...(left ? [say(more, { count: left })] : []),
    say("TOTAL", { total: money(given.total), currency: given.currency, tax: given.tax.name }),
    texts.TO_CONFIRM,
  ].join("\n");
}
