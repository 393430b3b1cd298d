/** @file An experiment's results as files: data.json, data.csv, report.html and its figures as SVG. */
import { join } from "node:path";
import type { Experiment, Page } from "@gradalign/experiments";
import { makeFolder, writeFileAtomic } from "gradalign/node";
import { csv } from "../report/csv.ts";
import { drawFigure } from "../report/svg.ts";
import { experimentPage } from "./experiment-page.ts";
import type { Results } from "./result-data.ts";

/** Writes the files; returns the page's path. */
export function writeResults(folder: string, experiment: Experiment, results: Results, page: Page): string {
  makeFolder(join(folder, "figures"));
  const write = (name: string, text: string): void => writeFileAtomic(join(folder, name), text);
  write("data.json", formatResults(results));
  write("data.csv", csv(results.findings.measurements));
  for (const { figures = [] } of page.sections) {
    for (const { id, options } of figures) write(join("figures", `${id}.svg`), standalone(drawFigure(options)));
  }
  write("report.html", experimentPage(experiment, results, page));
  return join(folder, "report.html");
}

/** JSON with one line per field, and one per measurement (to seven digits), training, claim and comparison. */
export function formatResults({ findings: { measurements, details }, ...rest }: Results): string {
  const list = (values: readonly unknown[]): string => (values.length === 0 ? "[]" : `[\n${values.map((value) => JSON.stringify(value)).join(",\n")}\n]`);
  const fields = Object.entries(rest).map(([name, value]) => `"${name}": ${Array.isArray(value) ? list(value) : JSON.stringify(value)}`);
  const rounded = measurements.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, typeof value === "number" ? Number(value.toPrecision(7)) : value])),
  );
  const found = `"findings": {"measurements": ${list(rounded)}${details === undefined ? "" : `,\n"details": ${JSON.stringify(details)}`}}`;
  return `{\n${[...fields, found].join(",\n")}\n}\n`;
}

/** Colours that pages define, for a figure without its page. */
const COLORS: Readonly<Record<string, string>> = {
  "--text": "#1b2230",
  "--muted": "#667085",
  "--line": "#d9dee7",
  "--surface": "#ffffff",
  "--clean": "#00835f",
  "--fgsm": "#d1570a",
  "--pgd": "#0b63b5",
  "--alignment": "#8a3fa0",
  "--cosine": "#00838f",
  "--alarm": "#c2253b",
  "--run-1": "#d1570a",
  "--run-2": "#0b63b5",
  "--run-3": "#00835f",
  "--run-4": "#a8438f",
  "--run-5": "#8a6d00",
  "--run-6": "#3a9bd9",
  "--run-7": "#6b4fc9",
  "--run-8": "#6b7280",
};

/** The SVG of a figure's markup, as a file of its own in light colours. */
function standalone(markup: string): string {
  const svg = /<svg[^>]*role="img"[\s\S]*<\/svg>/.exec(markup)?.[0] ?? markup;
  const colored = svg.replace(/var\((--[a-z0-9-]+)\)/g, (_, name: string) => COLORS[name] ?? "currentColor");
  return colored.includes("xmlns=") ? colored : colored.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}
