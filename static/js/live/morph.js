// New HTML takes the place of old without taking away what the person is doing there: typed text, focus, open details and dialogs.
const FADE_MILLISECONDS = 600;
const CELLS = "td, [data-cell]";
const wantsCalm = window.matchMedia("(prefers-reduced-motion: reduce)");

function isTouched(element) {
  if (element.localName === "select") {
    const preset = [...element.options].filter((option) => option.defaultSelected);
    return preset.length ? preset.some((option) => !option.selected) : element.selectedIndex > 0;
  }
  if (element.type === "checkbox" || element.type === "radio") return element.checked !== element.defaultChecked;
  return (element.localName === "input" || element.localName === "textarea") && element.value !== element.defaultValue;
}

const isSameTail = (old, fresh) => old.matches("[data-live-rows]") && old.id === fresh.id && old.dataset.liveRevision === fresh.dataset.liveRevision;

// What the browser itself keeps on an element, and the server knows nothing of.
const KEPT = {
  open: "details, dialog",
  "aria-pressed": "[data-live-pause]",
  "data-folded": "*",
  "data-changed": "*",
  "data-stale": "*",
};

const callbacks = {
  beforeNodeMorphed: (old, fresh) => !(old instanceof Element) || !(isTouched(old) || old.matches("dialog[open], [data-live-kept]") || isSameTail(old, fresh)),
  beforeNodeRemoved: (node) => !(node instanceof Element) || !node.matches(".opens, dialog[open], [data-live-kept]"),
  beforeAttributeUpdated: (name, element) => !(name in KEPT && element.matches(KEPT[name])),
};

/** A cell's words; ages that the page itself keeps true do not count. */
function wordsOf(cell) {
  const ages = cell.querySelectorAll("time[data-ago]");
  return ages.length ? [...ages].map((age) => age.dateTime).join() : cell.textContent;
}

function wordsByCell(element) {
  const cells = element.matches(CELLS) ? [element] : element.querySelectorAll(CELLS);
  return new Map([...cells].map((cell) => [cell, wordsOf(cell)]));
}

/** Let elements fade from the accent, unless the person asked for less motion. */
export function markChanged(elements) {
  if (wantsCalm.matches || elements.length === 0) return;
  for (const element of elements) element.setAttribute("data-changed", "");
  setTimeout(() => elements.forEach((element) => element.removeAttribute("data-changed")), FADE_MILLISECONDS);
}

/** The elements of some HTML, also of rows and cells that stand alone. */
export function elementsOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

/** Turn `element` into `fresh`, another element of the same kind. */
export function morph(element, fresh) {
  window.Idiomorph.morph(element, fresh, { morphStyle: "outerHTML", ignoreActiveValue: true, callbacks });
}

/** Show the newest form of the element `id`; one that is not on this page is passed over. */
export function swap({ id, html }) {
  const element = document.getElementById(id);
  const [fresh] = elementsOf(html);
  if (!element || !fresh) return;
  const before = wordsByCell(element);
  morph(element, fresh);
  const now = document.getElementById(id);
  if (!now) return;
  window.htmx?.process(now);
  markChanged([...wordsByCell(now)].filter(([cell, words]) => before.get(cell) !== words).map(([cell]) => cell));
}
