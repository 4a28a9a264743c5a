// Makes the heads of tables buttons: up, down, and back to the order of the report.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const { dataset, textContent } = row.cells[column];
    if ("key" in dataset) return Number(dataset.key);
    return textContent.trim() === "–" ? null : textContent.trim();
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const after = { ascending: "descending", descending: "none" };
      const order = after[head.getAttribute("aria-sort")] ?? "ascending";
      heads.forEach((it) => it.removeAttribute("aria-sort"));
      const rows = [...original];
      if (order !== "none") {
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        // Missing values come last either way.
        rows.sort((left, right) => {
          const [a, b] = [key(left, column), key(right, column)];
          if (a === null || b === null) return (a === null) - (b === null);
          return sign * compare(a, b);
        });
      }
      body.append(...rows);
    });
  });
}
