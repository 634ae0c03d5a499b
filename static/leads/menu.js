// Menus close on Escape: those of the header and the tabs, and the one behind a card's dots. That is one for the whole
// list, put into the card that is tapped. Without this script, the dots lead to the person's page, which has the same.

document.addEventListener("keydown", (event) => {
  const opened = document.querySelector("details[name=menu][open]");
  if (event.key !== "Escape" || !opened) return;
  opened.open = false;
  opened.querySelector("summary").focus();
});

const menu = document.querySelector("[data-menu]");
const place = menu?.dataset.place;

function close() {
  if (menu.hidden) return;
  const hadFocus = menu.contains(document.activeElement);
  const opener = menu.parentElement.querySelector("[data-more]");
  menu.hidden = true;
  opener?.setAttribute("aria-expanded", "false");
  if (hadFocus) opener?.focus();
}

function open(opener) {
  const card = opener.closest("[data-lead]");
  const state = card.dataset.now ?? card.dataset.state;
  menu.querySelector("a[data-call]").href = opener.dataset.call;
  for (const button of menu.querySelectorAll("[data-does]")) {
    button.formAction = `${place}${card.dataset.lead}/${button.dataset.does}/`;
    if (button.dataset.of) button.hidden = button.dataset.of !== state;
  }
  const sold = menu.querySelector("[data-sold]");
  sold.hidden = !card.dataset.total;
  sold.value = card.dataset.total;
  sold.textContent = sold.dataset.sold.replace("{total}", card.dataset.totalText);
  opener.parentElement.append(menu);
  menu.hidden = false;
  menu.classList.remove("up");
  // Upwards where the screen ends below, and there is more room above.
  const [box, above] = [menu.getBoundingClientRect(), opener.getBoundingClientRect().top];
  menu.classList.toggle("up", box.bottom > innerHeight && above > innerHeight - above && above > box.height);
  opener.setAttribute("aria-expanded", "true");
  menu.querySelector("a, button:not([hidden])").focus({ preventScroll: true });
}

if (menu) {
  for (const dots of document.querySelectorAll("[data-more]")) dots.setAttribute("aria-expanded", "false");
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-more]");
    if (opener && opener.closest("[data-lead]")) {
      event.preventDefault();
      const isOpen = !menu.hidden && menu.parentElement === opener.parentElement;
      close();
      if (!isOpen) open(opener);
    } else if (!menu.contains(event.target)) {
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  document.addEventListener("submit", () => close());
}
