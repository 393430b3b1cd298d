/** @file Tables of text with aligned columns. */

/** Lines of a table; the first row is the heading, numbers are set flush right. */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const isNumeric = widths.map((_, i) => rows.slice(1).every((row) => /^[-–\d]/.test(row[i] ?? "")));
  return rows.map((row) =>
    row
      .map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd(),
  );
}
