// Rows with a data-rank stay sorted by it, the lowest first; but nothing moves while somebody points at the table or has the focus in it.
const tables = () => document.querySelectorAll("#page table[data-worst-first]");
const isInUse = (table) => table.matches(":hover, :focus-within");

/** A row, and the row below it in which it is opened. */
const withOpened = (row) => (row.nextElementSibling?.matches(".opened") ? [row, row.nextElementSibling] : [row]);

function sort(table) {
  if (isInUse(table)) return;
  const rows = [...table.tBodies[0].querySelectorAll(":scope > tr[data-rank]")];
  const wanted = [...rows].sort((one, other) => (one.dataset.rank < other.dataset.rank ? -1 : 1));
  if (wanted.every((row, index) => row === rows[index])) return;
  table.tBodies[0].append(...wanted.flatMap(withOpened));
}

const sortAll = () => tables().forEach(sort);

new MutationObserver(sortAll).observe(document.getElementById("page"), { subtree: true, attributes: true, attributeFilter: ["data-rank"] });
for (const leaving of ["mouseout", "focusout"]) document.addEventListener(leaving, () => requestAnimationFrame(sortAll));
