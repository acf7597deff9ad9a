// Nothing scrolls sideways: where a table does not fit, its columns fold, the highest data-priority first, and each row opens to show them.
// On narrow screens all columns that have a data-priority fold, which leaves the first ones.
const narrow = window.matchMedia("(width < 860px)");

const headCells = (table) => [...(table.tHead?.rows[0]?.cells ?? [])];
const foldable = (table) => headCells(table).flatMap((cell, index) => (cell.dataset.priority ? [{ index, priority: Number(cell.dataset.priority), label: cell.textContent.trim() }] : []));
const folded = (table) => foldable(table).filter(({ priority }) => priority >= Number(table.dataset.foldsFrom ?? Infinity));

function opener(row) {
  const cell = document.createElement("td");
  cell.className = "opens";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "row-opener";
  button.setAttribute("aria-expanded", String(row.nextElementSibling?.matches(".opened") ?? false)); // a row swapped while open stays open
  button.setAttribute("aria-label", `More of ${row.cells[0].textContent.trim()}`);
  cell.append(button);
  return cell;
}

function applyToRow(row, columns, isHead) {
  if (row.matches(".opened, .gap")) return;
  const indexes = new Set(columns.map(({ index }) => index));
  [...row.cells].forEach((cell, index) => cell.toggleAttribute("data-folded", indexes.has(index)));
  const mine = row.querySelector(":scope > .opens");
  if (columns.length > 0 && !mine) row.append(isHead ? Object.assign(document.createElement("td"), { className: "opens" }) : opener(row));
  if (columns.length === 0) mine?.remove();
}

function apply(table) {
  const columns = folded(table);
  if (columns.length === 0) for (const row of table.querySelectorAll(".opened")) row.remove();
  applyToRow(table.tHead.rows[0], columns, true);
  for (const row of table.querySelectorAll(":scope > tbody > tr")) applyToRow(row, columns, false);
}

function fit(table) {
  const priorities = [...new Set(foldable(table).map(({ priority }) => priority))].sort((one, other) => other - one);
  if (priorities.length === 0) return;
  const isWide = () => table.offsetWidth > table.parentElement.clientWidth + 1;
  delete table.dataset.foldsFrom;
  if (narrow.matches) table.dataset.foldsFrom = String(priorities.at(-1));
  apply(table);
  for (const priority of priorities) {
    if (narrow.matches || !isWide()) return;
    table.dataset.foldsFrom = String(priority);
    apply(table);
  }
}

/** New rows take over what is folded; only where they no longer fit is the whole table looked at again. */
function keep(table) {
  if (foldable(table).length === 0) return;
  apply(table);
  if (!narrow.matches && table.offsetWidth > table.parentElement.clientWidth + 1) fit(table);
}

function toggle(button) {
  const row = button.closest("tr");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) {
    if (row.nextElementSibling?.matches(".opened")) row.nextElementSibling.remove();
    return;
  }
  const list = document.createElement("dl");
  for (const { index, label } of folded(row.closest("table"))) {
    const [term, words] = ["dt", "dd"].map((name) => document.createElement(name));
    term.textContent = label;
    words.append(...row.cells[index].cloneNode(true).childNodes);
    for (const copied of words.querySelectorAll("[id]")) copied.removeAttribute("id");
    list.append(term, words);
  }
  const more = document.createElement("tr");
  more.className = "opened";
  const cell = more.insertCell();
  cell.colSpan = row.cells.length;
  cell.append(list);
  row.after(more);
}

const tables = () => document.querySelectorAll("#page table.rows");
const fitAll = () => tables().forEach(fit);

export function watchRows() {
  const page = document.getElementById("page");
  if (!page) return;
  fitAll();
  document.fonts?.ready.then(fitAll);
  new ResizeObserver(fitAll).observe(page);
  let isPlanned = false;
  const observer = new MutationObserver(() => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      tables().forEach(keep);
      observer.takeRecords();
    });
  });
  observer.observe(page, { childList: true, subtree: true });
  page.addEventListener("click", (event) => {
    const button = event.target.closest(".row-opener");
    if (button) toggle(button);
  });
}
