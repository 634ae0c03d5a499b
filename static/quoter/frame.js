// On another site's page, in a frame: links that leave this site, such as to WhatsApp, open beside that page.

document.addEventListener("click", ({ target }) => {
  const link = target.closest?.("a[href]");
  if (window.top !== window && link?.protocol.startsWith("http") && link.origin !== location.origin) link.target = "_blank";
}, true);
