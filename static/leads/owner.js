// Puts a picture file into its field as text, because the site takes no files.
for (const field of document.querySelectorAll("[data-picture]")) {
  const chooser = document.createElement("input");
  chooser.type = "file";
  chooser.accept = "image/svg+xml,image/png,image/webp";
  chooser.setAttribute("aria-label", field.labels[0].textContent);
  field.before(chooser);
  chooser.addEventListener("change", () => {
    const reader = new FileReader();
    reader.addEventListener("load", () => { field.value = reader.result; });
    reader.readAsDataURL(chooser.files[0]);
  });
}

// Makes a photo small here, because phones take larger ones than the site reads, and sends it by itself.
const MOST_PIXELS = 1600;
for (const chooser of document.querySelectorAll("[data-photo]")) {
  const said = chooser.parentElement.querySelector("[role=alert]");
  chooser.addEventListener("change", async () => {
    try {
      const answer = await fetch(chooser.dataset.photo, {
        method: "POST",
        headers: { "Content-Type": "image/jpeg", "X-CSRFToken": chooser.form.csrfmiddlewaretoken.value },
        body: await small(chooser.files[0]),
      });
      if (answer.ok) return chooser.form.requestSubmit();  // saves what was typed, and shows the photo
      said.textContent = (await answer.json()).error;
    } catch {
      said.textContent = chooser.dataset.fault;
    }
  });
}

async function small(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MOST_PIXELS / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}
