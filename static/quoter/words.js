// Describes the calculator's form in the page's own labels, for the chat when the server cannot be reached. It knows only
// groups, labels and answers, so it works for any price book.

// A wa.me link of this length opens everywhere.
const LONGEST_URL = 2000;

// The first text of a label, without its hint, price or unit.
const label = (element) => element.firstChild.textContent.trim();

const ended = (name) => (name.endsWith("?") ? name : `${name}:`);

// The inputs of a measuring method that is not chosen are hidden.
const isShown = (control) => !control.matches(".inputs *") || control.matches(":checked + .way + .inputs *");

// Returns "200 kg/cm²" for a choice and "Volume 5.6 m³" for an input; "" for an input or list without a value.
function answer(control) {
  if (control.matches("button")) return label(control);
  const name = label(control.labels[0]);
  const table = control.closest(".table");
  if (table) return table.dataset.default === control.value ? "" : `${label(table.querySelector("legend"))} ${name}`;
  if (control.matches("[type=radio], [type=checkbox]")) return name;
  const given = control.matches("select") ? control.value && control.selectedOptions[0].text : control.value.trim();
  const hasUnit = /[\p{L}'"’”]/u.test(given); // as typed: 20', 4 in
  const unit = (!hasUnit && control.parentElement.querySelector(".unit")?.textContent) || "";
  return given && `${name} ${given} ${unit}`.trim();
}

// Returns "- Strength: 200 kg/cm²", or "" if the group has no answer yet.
function group(fields) {
  const controls = fields.querySelectorAll("[aria-pressed=true], :checked:not(option), [type=text], select");
  const answers = [...controls].filter(isShown).map(answer).filter(Boolean);
  // A measuring method is always chosen, so a method alone is not an answer.
  const minimum = fields.matches(".measures") ? 2 : 1;
  return answers.length < minimum ? "" : `- ${ended(label(fields.querySelector(".label")))} ${answers.join(", ")}`;
}

function line(fields) {
  const groups = [...fields.querySelectorAll(".group")].map(group).filter(Boolean);
  return groups.length ? [`*${fields.querySelector("legend").textContent.trim()}*`, ...groups] : [];
}

// Returns the chat's URL with the form's lines added to its text, as many as fit in LONGEST_URL.
// chat: a wa.me link whose last parameter is its text.
export function withWords(chat, form) {
  const lines = [...form.querySelectorAll("[data-line]")].flatMap(line);
  for (let shown = lines.length; ; shown -= 1) {
    const text = ["", ...lines.slice(0, shown), ...(shown < lines.length ? ["…"] : [])].join("\n");
    const url = chat + encodeURIComponent(text);
    if (url.length <= LONGEST_URL || !shown) return url;
  }
}
