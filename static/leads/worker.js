// Shows push messages as notifications, also while no page is open, and opens the inbox when one is clicked.

addEventListener("push", (event) => {
  const { title, body, url } = event.data.json();
  event.waitUntil(registration.showNotification(title, { body, tag: "leads", renotify: true, data: { url } }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showInbox(new URL(event.notification.data.url, location.origin)));
});

async function showInbox(inbox) {
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = windows.find((each) => new URL(each.url).pathname === inbox.pathname);
  return page ? page.focus() : clients.openWindow(inbox.href);
}
