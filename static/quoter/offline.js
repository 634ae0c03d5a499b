// The calculator where no server can be asked: the total, and the edits, from the kit that the device has kept.
// What it does is what quoter/forms.py and quoter/views.py do; the texts and fields are the kit's.

import { Engine, Refused, canonical, decimal, grouped, money } from "./engine.js";

let kept;

export function kitOf(form) {
  kept ??= load(form.dataset.offlineUrl).catch((fault) => {
    kept = undefined;
    throw fault;
  });
  return kept;
}

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(response.status);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const data = (id) => JSON.parse(page.getElementById(id).textContent);
  const desk = data("desk");
  const today = () => new Intl.DateTimeFormat("en-CA", { timeZone: desk.zone }).format(new Date());
  return { page, desk, today, engine: new Engine(data("engine")) };
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

// Returns a template of the kit as HTML, each {name} replaced.
export function filled(kit, id, values = {}) {
  const html = kit.page.getElementById(id).innerHTML;
  return html.replace(/\{(\w+)\}/g, (all, name) => (name in values ? escaped(values[name]) : all));
}

export const quantity = (number) => grouped(canonical(decimal(number)));

// --- What was typed -------------------------------------------------------------------------------------------------

// body: a FormData or URLSearchParams of the calculator's form. measures: by helper and input.
export function typedLines(body) {
  const lines = new Map();
  for (const [name, text] of body) {
    const [, number, part, rest = ""] = /^lines\.(\d+)\.([a-z_]+)(?:\.(.+))?$/.exec(name) ?? [];
    if (!number) continue;
    if (!lines.has(number)) lines.set(number, { product: "", preset: "", options: {}, kind: "", measures: {}, extras: [] });
    const line = lines.get(number);
    if (part === "options") line.options[rest] = text;
    else if (part === "extras") line.extras.push(text);
    else if (part === "measure" && rest === "kind") line.kind = text;
    else if (part === "measure") line.measures[rest] = text;
    else line[part] = text;
  }
  return [...lines].sort(([one], [other]) => one - other).map(([, line]) => line);
}

export function request({ product, options, kind, measures, extras }) {
  const chosen = Object.entries(measures).filter(([name]) => name.startsWith(`${kind}.`));
  const typed = Object.fromEntries(chosen.map(([name, text]) => [name.slice(kind.length + 1), text]));
  return { product, options, measure: { kind, ...typed }, extras };
}

function afterEdit(lines, edit, book) {
  const [action, about, code] = edit.split(":");
  const line = lines[about];
  if (action === "add") {
    const product = book.products.find((each) => each.code === about);
    return [...lines, { product: about, preset: "", options: {}, kind: product.measures[0].kind, measures: {}, extras: [] }];
  }
  if (action === "copy") return [...lines, structuredClone(line)];
  if (action === "remove") return lines.filter((other) => other !== line);
  if (action === "preset") {
    const { product, options = {}, measure } = book.presets.find((each) => each.code === code);
    Object.assign(line, { product, preset: code, options: { ...line.options, ...options }, kind: measure ?? line.kind });
  }
  return lines;
}

// --- What it costs --------------------------------------------------------------------------------------------------

// Returns the quote of the lines that are complete, or null; what each line costs, or null; and what is wrong so far.
function preview(kit, lines) {
  const cost = (some) => {
    try {
      return { quote: kit.engine.price(some.map(request), kit.today()), errors: [] };
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      return { quote: null, errors: refused.errors };
    }
  };
  const { quote, errors } = cost(lines);
  if (quote) return { quote, costs: quote.lines, hints: [] };
  const hints = [...new Set(errors.filter((error) => isTyped(error, lines)).map(({ message }) => message))];
  const complete = lines.filter((line) => cost([line]).quote);
  const partly = complete.length && complete.length < lines.length ? cost(complete).quote : null;
  const costs = lines.map((line) => partly?.lines[complete.indexOf(line)] ?? null);
  return { quote: partly, costs, hints };
}

// Tells a wrong value from one that the customer has not come to yet.
function isTyped({ field, key }, lines) {
  if (key === "EMPTY") return false;
  const [, number, part, name] = field.split(".");
  if (key === "UNKNOWN_CHOICE") return Boolean(lines[number].options[name]);
  if (key === "NOT_A_CHOICE") return Boolean(lines[number].measures[`${lines[number].kind}.${name}`]);
  return part !== "product";
}

export function bill(kit, quote) {
  const points = canonical([decimal(quote.tax.rate)[0] * 100n, decimal(quote.tax.rate)[1]]);
  const rows = quote.lines.flatMap((line) => [
    filled(kit, "item", {
      description: line.description,
      billed: quantity(line.billed),
      unit: kit.engine.rules.units[line.unit],
      price: money(line.unit_price),
      amount: money(line.base),
    }),
    ...line.extras.map(({ description, amount }) => filled(kit, "extra", { description, amount: money(amount) })),
  ]);
  const totals = filled(kit, "bill", {
    subtotal: money(quote.subtotal),
    tax: quote.tax.name,
    rate: `${points} %`,
    taxed: money(quote.tax.amount),
    total: money(quote.total),
    currency: quote.currency,
  });
  return filled(kit, "note") + totals.replace("<tbody>", `<tbody>${rows.join("")}`);
}

// Returns the pieces of the page that follow from the form as it stands, as the server's summary does.
export async function live(form) {
  const kit = await kitOf(form);
  const lines = typedLines(new FormData(form));
  const { quote, costs, hints } = preview(kit, lines);
  const listed = hints.length ? `<ul class="hints">${hints.map((hint) => `<li>${escaped(hint)}</li>`).join("")}</ul>` : "";
  const missing = costs.map((cost, number) => (cost ? "" : filled(kit, "incomplete", { number: number + 1 })));
  const summary = quote ? bill(kit, quote) + missing.join("") : hints.length ? "" : filled(kit, "empty");
  const about = quote && { tax: quote.tax.name, total: money(quote.total), currency: quote.currency };
  const titles = lines.map((line, number) => `<span id="title-${number}" data-live>${title(kit, line, costs[number])}</span>`);
  return new DOMParser().parseFromString(
    `<div id="summary" data-live>${listed}${summary}</div>
     <p id="tally" data-live>${quote ? filled(kit, "tally", about) : filled(kit, "no-tally")}</p>${titles.join("")}`,
    "text/html",
  );
}

function title(kit, line, cost) {
  if (!cost) {
    const product = kit.engine.book.products.find(({ code }) => code === line.product);
    return filled(kit, "no-title", { description: product ? kit.engine.say(product.label) : "" });
  }
  const { description, billed, unit, amount } = cost;
  const of = kit.engine.rules.units[unit];
  return filled(kit, "title", { description, billed: quantity(billed), unit: of, amount: money(amount) });
}

// --- The lines ------------------------------------------------------------------------------------------------------

// Draws the lines of a form, such as one with an edit button pressed.
export async function draw(form, body) {
  const kit = await kitOf(form);
  const lines = afterEdit(typedLines(body), new Map(body).get("edit") ?? "", kit.engine.book);
  const drawn = lines.map((line, number) => fieldset(kit, line, number, lines.length === 1));
  const before = form.querySelector(".lines");
  const after = Object.assign(document.createElement("div"), { className: before.className });
  after.append(...[...before.children].filter((piece) => !piece.matches("[data-line]")));
  after.querySelector(".adders").before(...drawn);
  before.replaceWith(after);
}

function fieldset(kit, line, number, isAlone) {
  const blank = kit.page.querySelector(`template[data-product="${CSS.escape(line.product)}"]`);
  const holder = document.createElement("template");
  const { no_number: noNumber } = kit.desk;
  holder.innerHTML = blank.innerHTML.replaceAll(noNumber + 1, number + 1).replaceAll(noNumber, number);
  const drawn = holder.content.querySelector("[data-line]");
  const path = `lines.${number}`;
  const texts = new Map(Object.entries(line.measures).map(([name, text]) => [`${path}.measure.${name}`, text]));
  const chosen = new Map(Object.entries(line.options).map(([code, choice]) => [`${path}.options.${code}`, [choice]]));
  chosen.set(`${path}.measure.kind`, [line.kind]).set(`${path}.extras`, line.extras);
  for (const control of drawn.querySelectorAll("input, select")) {
    if (control.matches("[type=radio], [type=checkbox]")) {
      control.checked = Boolean(chosen.get(control.name)?.includes(control.value));
      control.toggleAttribute("checked", control.checked);
    } else if (texts.has(control.name)) {
      control.value = texts.get(control.name);
    }
  }
  for (const folded of drawn.querySelectorAll("details")) folded.open = Boolean(folded.querySelector("input:checked"));
  for (const button of drawn.querySelectorAll(`button[value^="preset:"]`)) {
    button.setAttribute("aria-pressed", button.value.endsWith(`:${line.preset}`));
  }
  if (line.preset) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: `${path}.preset`, value: line.preset });
    drawn.querySelector("input").after(field);
  }
  if (isAlone) drawn.querySelector(`button[value^="remove:"]`)?.remove();
  drawn.classList.toggle("alone", isAlone);
  drawn.open = true;
  return drawn;
}
