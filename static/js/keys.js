// Single keys: / finds, j and k move, [ and ] turn pages, g then a letter goes somewhere, ? lists them all.
// Off while somebody types, and for good where they switch them off in the list (WCAG 2.1.4).
const STORED = "cim-keys";
const GO_MILLISECONDS = 1500;
let goUntil = 0;

const isTyping = (element) => element.closest?.("input, select, textarea, [contenteditable]") != null;
const areOn = () => localStorage.getItem(STORED) !== "off";

function focusSearch() {
  const box = document.getElementById("search-box");
  box?.focus();
  box?.select();
}

/** Move the focus to the first link of the row after (1) or before (-1) the one that has it. */
function moveRow(step) {
  const rows = [...document.querySelectorAll("#page :is(.rows > tbody > tr, .chain > li)")].filter((row) => row.querySelector("a[href], button"));
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const current = now >= 0 ? now : rows.findIndex((row) => row.getAttribute("aria-current") === "true");
  const next = current < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(current + step, 0), rows.length - 1);
  rows[next].querySelector("a[href], button").focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

export function openHelp() {
  const help = document.getElementById("help");
  if (!help || help.open) return;
  const list = document.getElementById("page-keys");
  list.replaceChildren(...[...document.querySelectorAll("[data-key][data-key-help]")].map((element) => {
    const entry = document.createElement("div");
    const [term, words, key] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
    key.textContent = element.dataset.key;
    words.textContent = element.dataset.keyHelp;
    term.append(key);
    entry.append(term, words);
    return entry;
  }));
  help.showModal();
}

const click = (selector) => document.querySelector(selector)?.click();

const ACTS = {
  "/": focusSearch,
  "?": openHelp,
  j: () => moveRow(1),
  k: () => moveRow(-1),
  "[": () => click("#page a[rel~=prev]"),
  "]": () => click("#page a[rel~=next]"),
};

function press(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    focusSearch();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!areOn() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const going = performance.now() < goUntil;
  goUntil = event.key === "g" ? performance.now() + GO_MILLISECONDS : 0;
  const letter = CSS.escape(event.key);
  const target = going ? document.querySelector(`[data-go="${letter}"]`) : document.querySelector(`[data-key="${letter}"]`);
  const act = target ? () => target.click() : !going && ACTS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

export function watchKeys() {
  document.addEventListener("keydown", press);
  const box = document.getElementById("keys-on");
  if (!box) return;
  box.checked = areOn();
  box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));
}
