// A live tail: new rows on top, at most 200 of them, and a link wherever something was not shown, so that rows and links are together
// every sequence since the page was made.
import { elementsOf, markChanged } from "./morph.js";

const MOST_ROWS = 200;
const SELECTOR = "tbody[data-live-rows]";

/** How far each tail on the page has come. */
export function positions() {
  const tails = [...document.querySelectorAll(SELECTOR)].filter((tail) => tail.id && tail.dataset.liveLast);
  return Object.fromEntries(tails.map((tail) => [tail.id, Number(tail.dataset.liveLast)]));
}

export const tails = () => [...document.querySelectorAll(SELECTOR)];

function rangeOf(row) {
  const { from, to, sequence } = row.dataset;
  return from ? [Number(from), Number(to)] : sequence ? [Number(sequence), Number(sequence)] : null;
}

function write(row, tail, from, to) {
  row.dataset.from = from;
  row.dataset.to = to;
  const words = `Not shown: ${from.toLocaleString("en")} – ${to.toLocaleString("en")}`;
  const cell = row.cells[0] ?? row.insertCell();
  cell.colSpan = tail.closest("table")?.tHead?.rows[0]?.cells.length || 1;
  if (!tail.dataset.liveSkipped) {
    cell.textContent = words;
    return;
  }
  const link = document.createElement("a");
  link.href = tail.dataset.liveSkipped.replace("FROM", from).replace("TO", to);
  link.textContent = words;
  cell.replaceChildren(link);
}

function gap(tail, from, to) {
  const row = document.createElement("tr");
  row.className = "gap";
  write(row, tail, from, to);
  return row;
}

/** Put the range on top; one that continues the range already there makes it longer. */
function addGap(tail, from, to) {
  const top = tail.rows[0];
  if (top?.matches(".gap") && Number(top.dataset.to) === from - 1) write(top, tail, Number(top.dataset.from), to);
  else tail.prepend(gap(tail, from, to));
}

/** Take the oldest rows away and account for them in one range at the end. */
function cut(tail) {
  let tooMany = tail.querySelectorAll(":scope > tr[data-sequence]").length - MOST_ROWS;
  if (tooMany <= 0) return;
  let [from, to] = [Infinity, -Infinity];
  while (tail.lastElementChild && (tooMany > 0 || !tail.lastElementChild.dataset.sequence)) {
    const row = tail.lastElementChild;
    const range = rangeOf(row);
    if (range) [from, to] = [Math.min(from, range[0]), Math.max(to, range[1])];
    if (row.dataset.sequence) tooMany -= 1;
    row.remove();
  }
  if (to >= from) tail.append(gap(tail, from, to));
}

/** Rows `from` to `last` are complete; what lies between them and what the page has is linked. */
export function addRows({ id, from, last, rows }) {
  const tail = document.getElementById(id);
  if (!tail?.matches(SELECTOR)) return;
  const had = tail.dataset.liveLast ? Number(tail.dataset.liveLast) : from - 1;
  if (last <= had) return;
  if (from > had + 1) addGap(tail, had + 1, from - 1);
  const fresh = rows.filter(([sequence]) => sequence > had).map(([sequence, html]) => {
    const [row] = elementsOf(html);
    row.dataset.sequence = sequence;
    return row;
  });
  if (fresh.length) tail.querySelector(":scope > [data-live-empty]")?.remove();
  tail.prepend(...fresh.toReversed());
  tail.dataset.liveLast = last;
  cut(tail);
  window.htmx?.process(tail);
  markChanged(fresh.filter((row) => row.isConnected));
}
