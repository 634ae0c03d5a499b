// Leads that could not be sent. The device keeps each until the site has stored it. Sending one twice is harmless, because
// the site identifies a lead by its folio. Used by the pages and by the service worker.

const STORE = "leads";
const DISK_MS = 400;
const LONGEST_MS = 30 * 24 * 3600 * 1000;
const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("folio", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "folio" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, action) {
  const database = await openDatabase();
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

// Keeps a lead, in place of an earlier one with its folio. url: where to post it; sent: the body, with submitted_at.
// Resolves after DISK_MS at the latest and never rejects: a browser without storage must not delay the chat, whose
// message has the whole lead.
export function keep(folio, url, sent) {
  const timeout = new Promise((resolve) => setTimeout(resolve, DISK_MS));
  return Promise.race([keepOnDisk({ folio, url, sent }).catch(() => {}), timeout]);
}

async function keepOnDisk(lead) {
  await inStore("readwrite", (store) => store.put(lead));
  // With Background Sync the browser wakes the worker when there is a connection, even with no page open.
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.sync?.register("leads");
}

// Sends all kept leads; rejects if one of them could not be sent.
export async function send() {
  const leads = await inStore("readonly", (store) => store.getAll());
  const settled = await Promise.allSettled(leads.map(sendOne));
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

async function sendOne(lead) {
  if (!(await isSettled(lead))) throw new Error("the site has not stored the lead");
  await inStore("readwrite", (store) => {
    const request = store.get(lead.folio);
    // A newer version of the lead may have been kept in the meantime.
    request.onsuccess = () => {
      if (request.result?.sent.submitted_at === lead.sent.submitted_at) store.delete(lead.folio);
    };
    return request;
  });
}

// Whether the device can delete a lead: it is too old, stored by the site, or refused by it.
async function isSettled({ url, sent }) {
  // A device must not keep personal data indefinitely.
  if (Date.now() - Date.parse(sent.submitted_at) > LONGEST_MS) return true;
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(sent) });
  if (response.status === 422) return true; // the customer is no longer here to correct it
  return response.ok && (await response.json()).success === true;
}

// Every page sends what is kept when it is shown. The worker does so only on a sync event.
if (globalThis.document) {
  let pause, retry;
  const deliver = () => send().catch(() => {
    clearTimeout(retry);
    retry = setTimeout(deliver, pause); // without a retry, the lead would wait for the next visit
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  });
  const deliverNow = () => {
    pause = FIRST_PAUSE_MS;
    deliver();
  };
  addEventListener("online", deliverNow);
  addEventListener("pageshow", () => {
    deliverNow();
    navigator.serviceWorker?.register("/worker.js", { type: "module" }).catch(() => {}); // some have no module workers
  });
}
