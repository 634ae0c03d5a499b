// The engine of quoter/engine/pricing.py once more, for when no server can be asked: the same lines and price book give the same
// amounts, to the cent. A test prices thousands of requests by both. Explanations are left to the server.

// --- Numbers: exact decimals as [digits, places], with the 28 digits that Python's have -----------------------------

const PRECISION = 28;

const tenTo = (power) => 10n ** BigInt(power);

export function decimal(text) {
  const [, whole, fraction = "", exponent = 0] = /^(-?\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  const places = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return places < 0 ? [digits * tenTo(-places), 0] : [digits, places];
}

// Half to even, as Python does it; rest: whether anything but zero was cut off before.
function rounded([digits, places], rest = false) {
  const excess = String(digits < 0n ? -digits : digits).length - PRECISION;
  if (excess <= 0) return [digits, places];
  const unit = tenTo(excess);
  let [kept, cut] = [digits / unit, digits % unit];
  const twice = (cut < 0n ? -cut : cut) * 2n;
  if (twice > unit || (twice === unit && (rest || kept % 2n))) kept += digits < 0n ? -1n : 1n;
  return rounded([kept, places - excess]);
}

const times = ([a, b], [c, d]) => rounded([a * c, b + d]);

function aligned([a, b], [c, d]) {
  const places = Math.max(b, d);
  return [a * tenTo(places - b), c * tenTo(places - d), places];
}

function plus(one, other) {
  const [a, b, places] = aligned(one, other);
  return [a + b, places];
}

function compare(one, other) {
  const [a, b] = aligned(one, other);
  return a < b ? -1 : a > b ? 1 : 0;
}

// Both above zero: how often the step fits, up to the next whole time.
function roundedUp(requested, step) {
  const [a, b] = aligned(requested, step);
  const scale = 2 * PRECISION;
  const [digits, places] = rounded([(a * tenTo(scale)) / b, scale], (a * tenTo(scale)) % b !== 0n);
  const unit = tenTo(Math.max(places, 0));
  return times([(digits + unit - 1n) / unit, 0], step);
}

// Half up; never below zero here.
function toCents([digits, places]) {
  if (places <= 2) return [digits * tenTo(2 - places), 2];
  const unit = tenTo(places - 2);
  return [(digits + unit / 2n) / unit, 2];
}

export function canonical([digits, places]) {
  if (digits === 0n) return "0";
  const text = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
  const [whole, fraction] = places > 0 ? [text.slice(0, -places), text.slice(-places)] : [text + "0".repeat(-places), ""];
  const shown = fraction.replace(/0+$/, "");
  return (digits < 0n ? "-" : "") + whole + (shown && `.${shown}`);
}

const fixed = (cents) => canonical([cents[0], 0]).padStart(3, "0").replace(/..$/, ".$&");

// --- Numbers as people type and read them ---------------------------------------------------------------------------

const MAX_LENGTH = 20;

export class Refused extends Error {
  constructor(errors) {
    super(errors.map(({ field }) => field).join(", "));
    this.errors = errors; // { field, message }
  }
}

const filled = (text, values = {}) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function parsed(typed, texts) {
  let text = typed.trim();
  const refuse = (key, values) => { throw new Refused([{ field: "", key, message: filled(texts[key], values) }]); };
  if (!text) refuse("EMPTY");
  const shown = [...text].length <= MAX_LENGTH ? text : `${[...text].slice(0, MAX_LENGTH).join("")}…`;
  if (/^[.,]/.test(text)) text = `0${text}`;
  if ([...text].length > MAX_LENGTH) refuse("UNREADABLE", { typed: shown });
  if (/^-?(\d+|\d*[.,]\d{1,2}|\d*\.\d{3,}|0+,\d{3,})$/.test(text)) return decimal(text.replace(",", "."));
  if (/^-?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})$/.test(text)) return decimal(text.replaceAll(",", ""));
  if (/^-?\d+,\d{3,}$/.test(text)) {
    const second = canonical(decimal(text.replace(",", ".")));
    refuse("AMBIGUOUS", { typed: shown, first: text.replaceAll(",", ""), second });
  }
  if (/^-?\d{1,3}(\.\d{3})+(,\d+)?$/.test(text)) {
    refuse("DOT_PLEASE", { typed: shown, first: text.replaceAll(".", "").replace(",", ".") });
  }
  return refuse("UNREADABLE", { typed: shown });
}

export function grouped(text) {
  const [whole, fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}

export const money = (amount) => `$${grouped(amount)}`;

// --- Prices ---------------------------------------------------------------------------------------------------------

const MAX_LINES = 20;
const ONE = [1n, 0];
const NOTHING = [0n, 2];

const byCode = (list = [], code) => list.find((each) => each.code === code);
const isSame = (one, other) =>
  Object.keys(one).length === Object.keys(other).length && Object.entries(one).every(([key, value]) => other[key] === value);

// kit: the book as quoter.pricebook.as_data gives it, the rules of measure.py and the texts, all as /offline/ has them.
export class Engine {
  constructor({ book, rules, texts, language }) {
    Object.assign(this, { book, rules, texts, language });
  }

  say(text) {
    return typeof text === "string" ? text : text[this.language];
  }

  error(field, key, values) {
    return { field, key, message: filled(this.texts[key], values) };
  }

  // Returns the quote's lines and amounts as strings, or throws Refused. day: in the business's zone, as in 2026-11-22.
  price(lines, day) {
    if (!lines.length) throw new Refused([this.error("lines", "NO_LINES")]);
    if (lines.length > MAX_LINES) throw new Refused([this.error("lines", "TOO_MANY_LINES", { most: MAX_LINES })]);
    const [errors, quoted, charged] = [[], [], new Set()];
    lines.forEach((line, number) => {
      try {
        quoted.push(this.line(line, charged));
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        errors.push(...refused.errors.map((error) => ({ ...error, field: `lines.${number}.${error.field}` })));
      }
    });
    if (errors.length) throw new Refused(errors);
    const tax = this.taxOn(day);
    const subtotal = quoted.reduce((sum, { amount }) => plus(sum, decimal(amount)), NOTHING);
    const taxed = toCents(times(subtotal, decimal(tax.rate)));
    return {
      currency: this.book.currency,
      price_book: { name: this.book.name, version: this.book.version },
      lines: quoted,
      subtotal: fixed(subtotal),
      tax: { name: tax.name, rate: canonical(decimal(tax.rate)), amount: fixed(taxed) },
      total: fixed(plus(subtotal, taxed)),
    };
  }

  taxOn(day) {
    const taxes = [...this.book.taxes].sort((one, other) => (one.from < other.from ? -1 : 1));
    return taxes.filter(({ from }) => from <= day).at(-1) ?? taxes[0];
  }

  line(asked, charged) {
    const product = byCode(this.book.products, asked.product);
    if (!product) throw new Refused([this.error("product", "UNKNOWN_PRODUCT")]);
    const options = Object.fromEntries((product.options ?? []).map(({ code }) => [code, asked.options[code] ?? ""]));
    const tiers = this.tiers(product, options);
    const errors = tiers ? [] : this.optionErrors(product, options);
    if (asked.extras.some((code) => !byCode(product.extras, code))) errors.push(this.error("extras", "UNKNOWN_EXTRA"));
    const measure = product.measures.find(({ kind }) => kind === asked.measure.kind);
    let measured;
    if (!measure) {
      errors.push(this.error("measure.kind", "UNKNOWN_MEASURE"));
    } else {
      try {
        measured = this.quantity(measure, product.unit, asked.measure);
        errors.push(...this.quantityErrors(product, measured.quantity));
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        errors.push(...refused.errors);
      }
    }
    if (errors.length) throw new Refused(errors);

    const up = roundedUp(measured.quantity, decimal(product.step));
    const billed = compare(up, decimal(product.minimum)) < 0 ? decimal(product.minimum) : up;
    const tier = tiers.find(({ from, to }) =>
      compare(decimal(from), billed) <= 0 && (to === undefined || compare(billed, decimal(to)) <= 0));
    const base = toCents(times(billed, decimal(tier.price)));
    const added = (product.extras ?? []).filter(({ code }) => asked.extras.includes(code));
    const extras = added.map((extra) => this.extra(extra, billed, charged));
    const amount = extras.reduce((sum, extra) => plus(sum, decimal(extra.amount)), base);
    const chosen = (product.options ?? []).map(({ code, choices }) => byCode(choices, options[code]).label);
    return {
      product: product.code,
      description: [product.label, ...chosen].map((label) => this.say(label)).join(", "),
      options,
      measure: { kind: measure.kind, ...measured.values },
      requested: canonical(measured.quantity),
      billed: canonical(billed),
      unit: product.unit,
      unit_price: fixed(toCents(decimal(tier.price))),
      base: fixed(base),
      extras,
      amount: fixed(amount),
    };
  }

  tiers(product, options) {
    return product.prices.find((listed) => isSame(listed.options ?? {}, options))?.tiers;
  }

  extra({ code, label, price, per = "unit" }, billed, charged) {
    let [amount, description] = [toCents(decimal(price)), this.say(label)];
    if (per === "unit") {
      amount = toCents(times(decimal(price), billed));
    } else if (charged.has(code)) {
      [amount, description] = [NOTHING, filled(this.texts.ALREADY_CHARGED, { label: description })];
    } else {
      charged.add(code);
    }
    return { code, description, amount: fixed(amount) };
  }

  quantity(measure, unit, typed) {
    const [errors, values] = [[], {}];
    let result = measure.factor === undefined ? ONE : decimal(measure.factor);
    const names = measure.formula === "known" ? [this.rules.known[unit]] : this.rules.inputs_of[measure.formula];
    for (const name of names) {
      const spec = this.rules.inputs[name];
      const bounds = measure.bounds?.[name];
      let value;
      try {
        value = parsed(typed[name] ?? "", this.texts);
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        errors.push({ ...refused.errors[0], field: `measure.${name}` });
        continue;
      }
      if (bounds && (compare(value, decimal(bounds.min)) < 0 || compare(value, decimal(bounds.max)) > 0)) {
        const [low, high] = [bounds.min, bounds.max].map((bound) => canonical(decimal(bound)));
        const about = { label: this.say(spec.label), low, high, unit: spec.unit };
        errors.push(this.error(`measure.${name}`, "OUT_OF_BOUNDS", about));
      } else if (value[0] <= 0n && measure.formula !== "known") {
        errors.push(this.error(`measure.${name}`, "INPUT_NOT_POSITIVE"));
      } else {
        values[name] = canonical(value);
        result = times(result, times(value, decimal(spec.in_metres)));
      }
    }
    if (measure.coefficients) {
      const { name, label, choices } = measure.coefficients;
      const chosen = byCode(choices, typed[name]);
      if (chosen) {
        values[name] = chosen.code;
        result = times(result, decimal(chosen.factor));
      } else {
        errors.push(this.error(`measure.${name}`, "NOT_A_CHOICE", { label: this.say(label) }));
      }
    }
    if (errors.length) throw new Refused(errors);
    return { quantity: result, values };
  }

  quantityErrors(product, requested) {
    const field = `measure.${this.rules.quantities[product.unit]}`;
    if (requested[0] <= 0n) return [this.error(field, "NOT_POSITIVE")];
    if (compare(requested, decimal(product.maximum)) <= 0) return [];
    const maximum = grouped(canonical(decimal(product.maximum)));
    return [this.error(field, "TOO_MUCH", { maximum, unit: this.rules.units[product.unit] })];
  }

  optionErrors(product, options) {
    const unknown = product.options.filter(({ code, choices }) => !byCode(choices, options[code]));
    if (unknown.length) {
      return unknown.map(({ code, label }) =>
        this.error(`options.${code}`, "UNKNOWN_CHOICE", { label: this.say(label) }));
    }
    const last = product.options.at(-1);
    const offered = last.choices.filter(({ code }) => this.tiers(product, { ...options, [last.code]: code }));
    const others = product.options.slice(0, -1).map(({ code, choices }) => byCode(choices, options[code]));
    const listed = (choices) => choices.map(({ label }) => this.say(label)).join(", ");
    const key = !offered.length ? "NOT_OFFERED_WITH_ANY" : others.length ? "NOT_OFFERED" : "NOT_OFFERED_ALONE";
    const choice = this.say(byCode(last.choices, options[last.code]).label);
    const about = { choice, others: listed(others), offered: listed(offered), label: this.say(last.label) };
    return [this.error(`options.${last.code}`, key, about)];
  }
}

// --- Folios ---------------------------------------------------------------------------------------------------------

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DEVICE_DAYS = 40;

// The folio of a quote that a device makes, as quoter/engine/folio.py has it. day: 2026-11-22; letters: eight of the alphabet's
// numbers, at random.
export function folio(day, letters) {
  const [year, month, date] = day.split("-");
  const middle = letters.map((letter) => ALPHABET[letter]).join("");
  const body = `${year.slice(-2)}${month}${Number(date) + DEVICE_DAYS}${middle}`;
  const timesX = (element) => (element & 16 ? (element << 1) ^ 0b100101 : element << 1);
  const check = [...body].reduce((sum, letter) => timesX(sum) ^ ALPHABET.indexOf(letter), 0);
  return `${body.slice(0, 6)}-${body.slice(6, 10)}-${body.slice(10)}-${ALPHABET[timesX(check)]}`;
}
