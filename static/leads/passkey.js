// A form whose answer the device gives: a passkey is made (create) or shown (get), then the form is sent.
const { webauthnJSON } = globalThis;

async function options(form) {
  if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
  const response = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

const ceremonies = {
  get: ({ request_options: request }) => webauthnJSON.get(request),
  create: ({ creation_options: { publicKey } }) => {
    // Kept on the device with the name of whose it is, a passkey logs in without a user name.
    const authenticatorSelection = { ...publicKey.authenticatorSelection, residentKey: "required", requireResidentKey: true };
    return webauthnJSON.create({ publicKey: { ...publicKey, authenticatorSelection } });
  },
};

for (const form of document.querySelectorAll("[data-passkey]")) {
  const problem = form.querySelector("[role=alert]");
  const tell = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell("");
    if (!webauthnJSON.supported()) return tell(problem.dataset.unsupported);
    try {
      form.elements.credential.value = JSON.stringify(await ceremonies[form.dataset.passkey](await options(form)));
      form.submit();
    } catch {
      tell(problem.dataset.refused);
    }
  });
}
