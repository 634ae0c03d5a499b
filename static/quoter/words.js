// What stands in the calculator's form, in the page's own words: for the chat, where the server cannot be asked. It knows
// groups, labels and answers, and nothing of what is sold.

// What opens everywhere.
const LONGEST_URL = 2000;

// Of a label, without its hint, its price or its unit.
const label = (element) => element.firstChild.textContent.trim();

// Inputs of a way to measure that is not the chosen one are not in sight, and say nothing.
const isInSight = (control) => !control.matches(".inputs *") || control.matches(":checked + .way + .inputs *");

function answer(control) {
  if (control.matches("button")) return label(control);
  const name = label(control.labels[0]);
  if (control.matches("[type=radio], [type=checkbox]")) return name;
  const given = control.matches("select") ? control.value && control.selectedOptions[0].text : control.value.trim();
  const unit = control.parentElement.querySelector(".unit")?.textContent ?? "";
  return given && `${name} ${given} ${unit}`.trim();
}

// Returns "- Strength: 200 kg/cm²", or "" where the group has no answer yet.
function group(fields) {
  const controls = fields.querySelectorAll("[aria-pressed=true], :checked:not(option), [type=text], select");
  const answers = [...controls].filter(isInSight).map(answer).filter(Boolean);
  // One way to measure is always chosen.
  const least = fields.matches(".measures") ? 2 : 1;
  return answers.length < least ? "" : `- ${label(fields.querySelector(".label"))}: ${answers.join(", ")}`;
}

function line(fields) {
  const groups = [...fields.querySelectorAll(".group")].map(group).filter(Boolean);
  return groups.length ? [`*${fields.querySelector("legend").textContent.trim()}*`, ...groups] : [];
}

// Returns the chat's URL with what was typed below the words that it has already, as much of it as fits.
// chat: a wa.me link that ends with its text.
export function withWords(chat, form) {
  const lines = [...form.querySelectorAll("[data-line]")].flatMap(line);
  for (let shown = lines.length; ; shown -= 1) {
    const text = ["", ...lines.slice(0, shown), ...(shown < lines.length ? ["…"] : [])].join("\n");
    const url = chat + encodeURIComponent(text);
    if (url.length <= LONGEST_URL || !shown) return url;
  }
}
