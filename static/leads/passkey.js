// Fills a form with a passkey's credential, which the device creates (create) or presents (get), and submits it.
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
    // A resident key is stored on the device together with its user, so it logs in without a user name.
    const authenticatorSelection = { ...publicKey.authenticatorSelection, residentKey: "required", requireResidentKey: true };
    return webauthnJSON.create({ publicKey: { ...publicKey, authenticatorSelection } });
  },
};

for (const form of document.querySelectorAll("[data-passkey]")) {
  const problem = form.querySelector("[role=alert]");
  const showProblem = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    showProblem("");
    if (!webauthnJSON.supported()) return showProblem(problem.dataset.unsupported);
    try {
      form.elements.credential.value = JSON.stringify(await ceremonies[form.dataset.passkey](await options(form)));
      form.submit();
    } catch {
      showProblem(problem.dataset.refused);
    }
  });
}
