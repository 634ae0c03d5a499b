// Tells the shop's analytics, where it has some, what became of a quote: the folio and the value, never the person.
// Without a dataLayer the form is sent as it is, and the browser follows the redirect into the chat.

const form = document.querySelector("#checkout");
const paper = document.querySelector(".paper");

function tell(event, more = {}) {
  const { folio, value, currency } = paper?.dataset ?? {};
  window.dataLayer?.push({ event, folio, value, currency, ...more });
}

form?.addEventListener("submit", async (event) => {
  if (!window.dataLayer) return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    const result = await response.json();
    if (!result.success) throw new Error("to be mended");
    tell("lead_submitted");
    if (result.warning) tell("lead_warning", { warning: result.warning });
    location.assign(result.whatsapp_url);
  } catch {
    form.submit(); // the server's page says what to mend, or the browser that there is no network
  }
});

if (paper) tell("quote_shown");
document.querySelector("[data-chat]")?.addEventListener("click", () => tell("whatsapp_opened"));
document.querySelector("[data-alert]")?.focus();
