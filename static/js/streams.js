// The event that is open beside the list: its row is marked, and on narrow screens the page comes to it.
const stacked = window.matchMedia("(width < 1000px)");

function mark(panel) {
  for (const row of document.querySelectorAll('.events tr[aria-current="true"]')) row.removeAttribute("aria-current");
  const row = panel.dataset.sequence && document.getElementById(`event-${panel.dataset.sequence}`);
  row?.setAttribute("aria-current", "true");
  if (row && stacked.matches) panel.scrollIntoView({ block: "start" });
}

document.addEventListener("htmx:afterSettle", () => {
  const panel = document.getElementById("event-panel");
  if (panel) mark(panel);
});
