// Buttons with data-copy put it on the clipboard and say so for a moment.
const SAID_MILLISECONDS = 1400;

async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Over plain HTTP on another host the browser has no clipboard for us; selecting and copying still works.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "for-readers";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function watchCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await write(button.dataset.copy);
    button.setAttribute("data-copied", "");
    setTimeout(() => button.removeAttribute("data-copied"), SAID_MILLISECONDS);
  });
}
