// Sends a page's form on its way. Without this, the button on the page does the same.
const form = document.querySelector("form[data-auto-post]");
const [entry] = performance.getEntriesByType("navigation");

// Somebody who came here with the Back button wants to stay.
if (form && entry?.type !== "back_forward") {
  form.submit();
}
