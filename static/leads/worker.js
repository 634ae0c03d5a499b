// Shows an alert while no page is open, and brings the inbox up when it is touched.

addEventListener("push", (event) => {
  const { title, body, url } = event.data.json();
  event.waitUntil(registration.showNotification(title, { body, tag: "leads", renotify: true, data: { url } }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(bringUp(new URL(event.notification.data.url, location.origin)));
});

async function bringUp(inbox) {
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = open.find((each) => new URL(each.url).pathname === inbox.pathname);
  return page ? page.focus() : clients.openWindow(inbox.href);
}
