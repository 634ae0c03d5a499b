// Sends every form with the CSRF token that is valid now: a login in another tab replaces the one that the page came with.

function current() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
}

function refresh() {
  const token = current();
  if (!token) return;
  for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = token;
  for (const panel of document.querySelectorAll("[data-token]")) panel.dataset.token = token;
}

// Before the page's own listeners, and before the browser reads the form. A click also comes before scripts send one.
for (const kind of ["click", "submit"]) addEventListener(kind, refresh, true);
