/** @file Rows as CSV, and links that save them from a page without a server. */
import { html, type Markup } from "./html.ts";

/** One row: its cells by column. */
export type CsvRow = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Rows as CSV (RFC 4180), with the union of their columns. */
export function csv(rows: readonly CsvRow[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: CsvRow[string]): string => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

/** Halves of characters, which an address cannot hold. */
const HALVES = /\p{Surrogate}/gu;

/** A link that saves rows, which it holds itself, as a CSV file. */
export function csvLink(name: string, words: string, rows: readonly CsvRow[]): Markup {
  return html`<a class="download" download="${name}" href="data:text/csv;charset=utf-8,${encodeURIComponent(csv(rows).replace(HALVES, "\ufffd"))}">${words}</a>`;
}
