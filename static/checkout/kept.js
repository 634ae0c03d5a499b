// Leads that could not be sent. The device keeps each until the site has stored it, or for 30 days. Sending one twice
// is harmless, because the site knows a lead by its folio and phone. Used by the pages and by the service worker.

const STORE = "leads"; // the key of each is its folio, a space and its phone; in earlier releases, the folio
const DISK_MS = 400;
const LONGEST_MS = 30 * 24 * 3600 * 1000;
const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;
const REFUSED_PAUSE_MS = 6 * 3600 * 1000;

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

// Keeps a lead, in place of an earlier one with its folio and phone: another phone is another lead. url: where to post
// it; sent: the body, with submitted_at.
// Resolves after DISK_MS at the latest and never rejects: a browser without storage must not delay the chat, whose
// message has the whole lead.
export function keep(folio, url, sent) {
  const timeout = new Promise((resolve) => setTimeout(resolve, DISK_MS));
  return Promise.race([keepOnDisk({ folio: `${folio} ${sent.phone}`, url, sent }).catch(() => {}), timeout]);
}

async function keepOnDisk(lead) {
  await inStore("readwrite", (store) => store.put(lead));
  // With Background Sync the browser wakes the worker when there is a connection, even with no page open.
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.sync?.register("leads");
}

// Sends all kept leads, except those that the site has just refused; rejects if one of them could not be sent.
export async function send() {
  const kept = await inStore("readonly", (store) => store.getAll());
  const leads = kept.filter((lead) => isTooOld(lead) || !(Math.abs(Date.now() - lead.refusedAt) < REFUSED_PAUSE_MS));
  const settled = await Promise.allSettled(leads.map(sendOne));
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

async function sendOne(lead) {
  const isRefused = !isTooOld(lead) && (await answered(lead)) === 422;
  await inStore("readwrite", (store) => {
    const request = store.get(lead.folio);
    request.onsuccess = () => {
      // A newer version of the lead may have been kept in the meantime.
      if (request.result?.sent.submitted_at !== lead.sent.submitted_at) return;
      if (isRefused) store.put({ firstRefusedAt: Date.now(), ...request.result, refusedAt: Date.now() });
      else store.delete(lead.folio);
    };
    return request;
  });
}

// A device must not keep personal data indefinitely, even if its clock was ahead when it kept them.
function isTooOld({ sent, firstRefusedAt = Infinity }) {
  return Date.now() - Math.min(Date.parse(sent.submitted_at), firstRefusedAt) > LONGEST_MS;
}

// Returns the status with which the site has stored the lead, or 422 when it cannot take it. The site may have another
// key or another release then, and take the lead later. Rejects for any other answer, and without one.
async function answered({ folio, url, sent }) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(sent) });
  if (response.status === 422) return 422;
  const answer = response.ok && (await response.json());
  const isStored = answer.success === true && answer.folio === folio.split(" ")[0];
  if (!isStored) throw new Error("the site has not stored the lead");
  return response.status;
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
  const begin = () => {
    deliverNow();
    navigator.serviceWorker?.register("/worker.js", { type: "module" }).catch(() => {}); // some have no module workers
  };
  addEventListener("online", deliverNow);
  addEventListener("pageshow", begin);
  if (document.readyState === "complete") begin(); // loaded late, by mine.js
}
