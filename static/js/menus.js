// Menus close on Escape and on a click elsewhere; buttons with data-opens open the dialog of that id.
import { openHelp } from "./keys.js";

export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-closes][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const opener = event.target.closest("[data-opens]");
    if (!opener) return;
    if (opener.dataset.opens === "help") openHelp();
    else document.getElementById(opener.dataset.opens)?.showModal();
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details[data-closes][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
