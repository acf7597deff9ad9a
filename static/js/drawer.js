// The rail as a drawer on narrow screens: focus goes in with it, Escape or a click beside it closes it, focus comes back.
export function watchDrawer() {
  const button = document.querySelector("[data-drawer]");
  const rail = document.getElementById("rail");
  if (!button || !rail) return;
  const page = document.querySelectorAll("#page, .topbar");

  function show(open) {
    rail.toggleAttribute("data-open", open);
    button.setAttribute("aria-expanded", String(open));
    for (const part of page) part.inert = open;
    if (open) rail.querySelector("li a")?.focus();
    else button.focus();
  }

  button.addEventListener("click", (event) => {
    event.stopPropagation();
    show(!rail.hasAttribute("data-open"));
  });
  document.addEventListener("click", (event) => {
    if (rail.hasAttribute("data-open") && !rail.contains(event.target)) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && rail.hasAttribute("data-open")) show(false);
  });
}
