/** @file An experiment's results as files: data.json, data.csv, report.html and its figures as SVG. */
import { join } from "node:path";
import type { Experiment, Page } from "@gradalign/experiments";
import { makeFolder, writeFileAtomic } from "@gradalign/robustness/node";
import { csv, figureMarkup, LIGHT_COLORS } from "@gradalign/runs";
import { nodeDocument } from "@gradalign/runs/node";
import { experimentPage } from "./experiment-page.ts";
import type { Results } from "./result-data.ts";

/** Writes the files; returns the page's path. */
export function writeResults(folder: string, experiment: Experiment, results: Results, page: Page): string {
  makeFolder(join(folder, "figures"));
  const write = (name: string, text: string): void => writeFileAtomic(join(folder, name), text);
  write("data.json", formatResults(results));
  write("data.csv", csv(results.findings.measurements));
  for (const { figures = [] } of page.sections) {
    for (const { id, options } of figures) write(join("figures", `${id}.svg`), standalone(figureMarkup(options, nodeDocument())));
  }
  write("report.html", experimentPage(experiment, results, page));
  return join(folder, "report.html");
}

/** JSON with one line per field, and one per measurement (to seven digits), training, claim and comparison. */
function formatResults({ findings: { measurements, details }, ...rest }: Results): string {
  const list = (values: readonly unknown[]): string => (values.length === 0 ? "[]" : `[\n${values.map((value) => JSON.stringify(value)).join(",\n")}\n]`);
  const fields = Object.entries(rest).map(([name, value]) => `"${name}": ${Array.isArray(value) ? list(value) : JSON.stringify(value)}`);
  const rounded = measurements.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, typeof value === "number" ? Number(value.toPrecision(7)) : value])),
  );
  const found = `"findings": {"measurements": ${list(rounded)}${details === undefined ? "" : `,\n"details": ${JSON.stringify(details)}`}}`;
  return `{\n${[...fields, found].join(",\n")}\n}\n`;
}

/** The SVG of a figure's markup, as a file of its own in light colours. */
function standalone(markup: string): string {
  const svg = /<svg[^>]*role="img"[\s\S]*<\/svg>/.exec(markup)?.[0] ?? markup;
  const colored = svg.replace(/var\((--[a-z0-9-]+)\)/g, (_, name: string) => LIGHT_COLORS[name] ?? "currentColor");
  return colored.includes("xmlns=") ? colored : colored.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}
