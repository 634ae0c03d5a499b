// Keeps what is typed into the note's field on this device until the site has it: it survives a login, an outage, a
// closed tab. Each draft is of one lead and one user; nobody else is shown it.

const PREFIX = "note-draft:";
const KEPT_FOR_MS = 7 * 24 * 3600 * 1000;

const part = document.querySelector("[data-note-of]");
const field = part.querySelector("textarea");
const form = document.querySelector("#tap");
const key = `${PREFIX}${part.dataset.user}:${part.dataset.noteOf}`;
const mine = [...document.querySelectorAll(".notes [data-mine]")].map((note) => ({
  id: Number(note.dataset.note),
  text: note.querySelector(".text").textContent,
}));
const newest = Math.max(0, ...mine.map((note) => note.id));
let isChatOpened = false;

// Returns null also when storage is disabled.
function stored(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

// value: null removes it.
function store(name, value) {
  try {
    if (value) localStorage.setItem(name, JSON.stringify(value));
    else localStorage.removeItem(name);
  } catch {
    // Storage is disabled or full: the field still works.
  }
}

const plain = (text) => text.replaceAll("\r\n", "\n").trim().normalize("NFC");
// Only a note that is newer than the draft is the draft: the same words may have been noted before.
const isSaved = (draft) => mine.some((note) => note.id > draft.after && plain(note.text) === plain(draft.text));

function restore() {
  const draft = stored(key);
  if (!draft) return;
  if (isSaved(draft)) {
    store(key, null);
    if (plain(field.value) === plain(draft.text)) field.value = ""; // browsers fill in what a page had before a reload
  } else if (!field.value) {
    field.value = draft.text;
    part.querySelector("[data-restored]").hidden = false;
  }
}

function removeOld() {
  try {
    for (const name of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
      if (!(stored(name)?.at > Date.now() - KEPT_FOR_MS)) store(name, null);
    }
  } catch {
    // Storage is disabled.
  }
}

removeOld();
restore();
field.addEventListener("input", () => {
  const text = field.value;
  store(key, text.trim() ? { text, after: newest, at: Date.now() } : null);
});
form.addEventListener("submit", (event) => {
  isChatOpened = event.submitter?.matches(".whatsapp") ?? false;
});
// The chat opened in another tab. Back here, the page shows the note that was sent along, and that the lead is taken.
document.addEventListener("visibilitychange", () => {
  if (isChatOpened && !document.hidden) location.replace(form.elements.next.value);
});
