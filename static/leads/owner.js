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
