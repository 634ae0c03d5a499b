// The calculator works without this script; with it, the total follows the typing and edits need no reload.
// Prices and fields always come from the server: nothing is computed or drawn here.

const form = document.querySelector("[data-summary-url]");
const summary = document.querySelector("#summary");
const PAUSE_MS = 250;

let latest;
let timer;

const typed = () => new URLSearchParams(new FormData(form)).toString();

// Kept with this entry of the history: where Back makes the page anew, as in-app browsers do, it has one line again.
// The page of a refused form cannot be had by its address, so there the entry becomes the calculator's.
function remember() {
  const { editUrl } = form.dataset;
  history.replaceState(typed(), "", location.pathname === editUrl ? location.href : editUrl);
}

async function refresh() {
  remember();
  const body = (latest = new FormData(form));
  try {
    const response = await fetch(form.dataset.summaryUrl, { method: "POST", body });
    const html = await response.text();
    // A slow early reply would otherwise overwrite a newer price.
    if (response.ok && body === latest) summary.innerHTML = html;
  } catch {
    // Offline: the last total stands, and the button still sends the form.
  }
}

// Shows the lines that the server makes of a form, such as one with an edit button pressed.
async function show(body) {
  const before = typed();
  latest = body;
  const response = await fetch(form.dataset.editUrl, { method: "POST", body });
  if (!response.ok) throw new Error(response.status);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (typed() !== before) return false;
  form.querySelector(".lines").replaceWith(page.querySelector(".lines"));
  summary.innerHTML = page.querySelector("#summary").innerHTML;
  remember();
  return true;
}

async function edit(button) {
  const focus = focusAfter(button.value);
  // On a slow line a person types on meanwhile, and nothing of that may be lost.
  while (!(await show(new FormData(form, button))));
  form.querySelector(focus)?.focus();
}

// Where a person goes on after an edit: the button again, or the line that is new.
function focusAfter(value) {
  if (value.startsWith("preset:")) return `button[value="${value}"]`;
  const lines = form.querySelectorAll("[data-line]").length;
  if (value.startsWith("remove:")) return "[data-line] input:not([type=hidden])";
  return `[data-line="${lines}"] input:not([type=hidden])`;
}

form?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(refresh, PAUSE_MS);
});

form?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  remember();
  if (button?.name !== "edit") return;
  event.preventDefault();
  try {
    await edit(button);
  } catch {
    // The plain form does the same with a page load.
    button.type = "submit";
    form.action = form.dataset.editUrl;
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "edit", value: button.value });
    form.append(field);
    form.submit();
  }
});

document.querySelector("[data-alert]")?.focus();
// Back, and a reload, bring back what was typed after the page was made.
window.addEventListener("pageshow", () => {
  if (!form) return;
  if (history.state && history.state !== typed()) show(new URLSearchParams(history.state)).catch(() => {});
  else refresh();
});
