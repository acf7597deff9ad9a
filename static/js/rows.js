// On narrow screens a table keeps its first columns and each row opens to show the others. Columns whose th has data-priority fold.
const narrow = window.matchMedia("(width < 860px)");

function foldedColumns(table) {
  return [...(table.tHead?.rows[0]?.cells ?? [])].flatMap((cell, index) => ("priority" in cell.dataset ? [{ index, label: cell.innerText.trim() || cell.textContent.trim() }] : []));
}

function opener(row) {
  const cell = document.createElement("td");
  cell.className = "opens";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "row-opener";
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-label", `More of ${row.cells[0].innerText.trim()}`);
  const icon = document.querySelector(".menu .icon").cloneNode(true); // the chevron of the menu
  button.append(icon);
  cell.append(button);
  return cell;
}

function foldRow(row, columns) {
  if (row.querySelector(":scope > .opens") || row.cells.length <= columns[0].index || row.matches(".opened, .gap")) return;
  for (const { index } of columns) row.cells[index]?.setAttribute("data-folded", "");
  row.append(opener(row));
}

function fold(table) {
  const columns = foldedColumns(table);
  if (columns.length === 0) return;
  const head = table.tHead.rows[0];
  if (!head.querySelector(".opens")) head.insertAdjacentHTML("beforeend", '<td class="opens"></td>');
  for (const row of table.querySelectorAll(":scope > tbody > tr")) foldRow(row, columns);
}

function toggle(button) {
  const row = button.closest("tr");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) {
    row.nextElementSibling?.matches(".opened") && row.nextElementSibling.remove();
    return;
  }
  const list = document.createElement("dl");
  for (const { index, label } of foldedColumns(row.closest("table"))) {
    const [term, words] = ["dt", "dd"].map((name) => document.createElement(name));
    term.textContent = label;
    words.append(...[...row.cells[index].cloneNode(true).childNodes]);
    for (const copied of words.querySelectorAll("[id]")) copied.removeAttribute("id");
    list.append(term, words);
  }
  const more = row.parentElement.insertRow(row.sectionRowIndex + 1);
  more.className = "opened";
  const cell = more.insertCell();
  cell.colSpan = row.cells.length;
  cell.append(list);
}

function foldAll() {
  if (narrow.matches) for (const table of document.querySelectorAll("table.rows")) fold(table);
}

export function watchRows() {
  const page = document.getElementById("page");
  if (!page) return;
  foldAll();
  narrow.addEventListener("change", foldAll);
  let isPlanned = false;
  new MutationObserver(() => {
    if (isPlanned || !narrow.matches) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      foldAll();
    });
  }).observe(page, { childList: true, subtree: true });
  page.addEventListener("click", (event) => {
    const button = event.target.closest(".row-opener");
    if (button) toggle(button);
  });
}
