// Gives each code sample a button that copies it.
if (navigator.clipboard) {
  for (const sample of document.querySelectorAll(".code[data-copy]")) {
    const label = sample.dataset.copy;
    const done = sample.dataset.copied;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-plain button-small";
    button.textContent = label;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(sample.querySelector("pre").textContent.trim());
      button.textContent = done;
      setTimeout(() => (button.textContent = label), 2000);
    });
    sample.append(button);
  }
}
