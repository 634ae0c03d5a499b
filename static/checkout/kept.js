// Leads that could not be sent: kept on this device until the site has them, and then forgotten. Once is enough, and
// twice does no harm: the site knows a lead by its folio. Pages and the worker use this alike.

const STORE = "leads";
const DISK_MS = 400;
const LONGEST_MS = 30 * 24 * 3600 * 1000;
const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("folio", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "folio" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, action) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = action(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

// url: where the site takes it; sent: what goes there, with its submitted_at. The newest of a folio stays. Never fails:
// a browser that keeps nothing, or not in time, must not hold anybody, for the chat's message says it all.
export function keep(folio, url, sent) {
  const late = new Promise((resolve) => setTimeout(resolve, DISK_MS));
  return Promise.race([keepOnDisk({ folio, url, sent }).catch(() => {}), late]);
}

async function keepOnDisk(lead) {
  await inStore("readwrite", (store) => store.put(lead));
  // Where the browser can, it wakes the worker as soon as there is a connection, with no page open.
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.sync?.register("leads");
}

// Sends what is kept; rejects where something has to stay.
export async function send() {
  const leads = await inStore("readonly", (store) => store.getAll());
  const settled = await Promise.allSettled(leads.map(sendOne));
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

async function sendOne(lead) {
  if (!(await isSettled(lead))) throw new Error("it has to stay");
  await inStore("readwrite", (store) => {
    const found = store.get(lead.folio);
    // Unless somebody has corrected it meanwhile.
    found.onsuccess = () => {
      if (found.result?.sent.submitted_at === lead.sent.submitted_at) store.delete(lead.folio);
    };
    return found;
  });
}

async function isSettled({ url, sent }) {
  // A device is no place to keep a person for ever.
  if (Date.now() - Date.parse(sent.submitted_at) > LONGEST_MS) return true;
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(sent) });
  if (response.status === 422) return true; // nobody is here to mend it
  return response.ok && (await response.json()).success === true;
}

// On every page, once it is there; not in the worker, which is woken for it.
if (globalThis.document) {
  let pause, again;
  const deliver = () => send().catch(() => {
    clearTimeout(again);
    again = setTimeout(deliver, pause); // else what has to stay would wait for another visit
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  });
  const deliverNow = () => {
    pause = FIRST_PAUSE_MS;
    deliver();
  };
  addEventListener("online", deliverNow);
  addEventListener("pageshow", () => {
    deliverNow();
    navigator.serviceWorker?.register("/worker.js", { type: "module" }).catch(() => {}); // not every browser has them
  });
}
