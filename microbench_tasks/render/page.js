"use strict";
// Sorts a table by the column whose head is pressed: ascending, then descending. Empty cells and NaN stay last.
(() => {
  const order = new Intl.Collator("en", { numeric: true });

  function key(row, column) {
    const data = row.cells[column].dataset;
    if ("number" in data) {
      const number = data.number === "inf" ? Infinity : data.number === "-inf" ? -Infinity : Number(data.number);
      return Number.isNaN(number) ? null : number;
    }
    return data.key === "" ? null : data.key;
  }

  function compare(one, other) {
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    if (typeof one === "number") return one < other ? -1 : one > other ? 1 : 0;
    return order.compare(one, other);
  }

  function sort(table, head) {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const keyed = Array.from(table.tBodies[0].rows, (row) => [key(row, head.cellIndex), row]);
    const filled = keyed.filter(([value]) => value !== null);
    const empty = keyed.filter(([value]) => value === null);
    // Array.prototype.sort is stable: equal rows keep the order of the sort before.
    filled.sort(([one], [other]) => sign * compare(one, other));
    table.tBodies[0].append(...[...filled, ...empty].map(([, row]) => row));
    for (const cell of head.parentNode.cells) cell.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) {
      head.querySelector("button").addEventListener("click", () => sort(table, head));
    }
  }

  // Paper has no folds: open all of them to print, and close them again.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
})();
