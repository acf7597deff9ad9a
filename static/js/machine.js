// A drawn state machine may be wider than its card: it is scrolled so that the current state stands in the middle, again where that changes.
const shown = new WeakMap();

function showCurrent(machine) {
  const current = machine.querySelector("[aria-current]");
  if (!current || shown.get(machine) === current.textContent) return;
  shown.set(machine, current.textContent);
  const [box, frame] = [current.getBoundingClientRect(), machine.getBoundingClientRect()];
  machine.scrollLeft += box.left + box.width / 2 - (frame.left + frame.width / 2);
}

const showAll = () => document.querySelectorAll(".machine").forEach(showCurrent);

showAll();
new MutationObserver(showAll).observe(document.getElementById("page"), { subtree: true, childList: true, attributeFilter: ["aria-current"] });
