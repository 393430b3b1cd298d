/** @file What `gradalign reproduce` found, as parts of pages: an experiment's own words on the results committed for it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Claim, type Comparison, experiments, type Findings, type Page, paperValue, type Scale, type Table } from "@gradalign/experiments";
import { list, paragraph, table } from "./markdown.ts";
import { RESULTS, readResults, type Source, sourceLine } from "./results.ts";

/** A committed data.json of the command; its claims and tables are made anew from the findings. */
interface Results {
  readonly experiment: string;
  readonly scale: Scale;
  readonly provenance: Source;
  readonly trainings: readonly { readonly doneBy: Pick<Source, "commit" | "date"> }[];
  readonly findings: Findings;
}

type Part = (pages: readonly Page[]) => string;

/** What a page may show of an experiment. */
const PARTS: Readonly<Record<string, Part>> = {
  claims: (pages) => list(pages.flatMap(({ claims }) => claims).map(claim)),
  comparisons: (pages) => comparisonTable(pages.flatMap(({ comparisons }) => comparisons)),
  tables: (pages) => pages.flatMap(tablesOf).map(written).join("\n\n"),
  /** The first table of each. */
  summary: (pages) =>
    pages
      .flatMap((page) => tablesOf(page).slice(0, 1))
      .map(written)
      .join("\n\n"),
};

const tablesOf = ({ sections }: Page): readonly Table[] => sections.flatMap(({ tables = [] }) => tables);

function written({ caption, columns, rows }: Table): string {
  const text = table(
    columns,
    rows.map((row) => row.map((cell) => String(cell ?? "–"))),
  );
  return caption ? `${paragraph(caption)}\n\n${text}` : text;
}

/** Whether the words of a region name experiments and parts. */
export function isOfExperiments([first = ""]: readonly string[]): boolean {
  return experiments.some(({ id }) => id === first);
}

/** The parts named, of the experiments named: `fig11 fig6 claims comparisons`. The first word is an experiment: there is one with a part's name. */
export function experimentRegion(words: readonly string[]): string {
  const ids = words.filter((word, i) => i === 0 || !(word in PARTS));
  const results = ids.map((id) => readResults<Results>(fileOf(id)));
  const pages = results.map(({ experiment, findings, scale }) => {
    const found = experiments.find(({ id }) => id === experiment);
    if (!found) throw new Error(`no experiment "${experiment}"`);
    return found.page(findings, scale);
  });
  const parts = words.slice(1).flatMap((word) => PARTS[word]?.(pages) ?? []);
  const sources = results.map(({ provenance, trainings }) => ({ ...provenance, ...(trainings.at(-1)?.doneBy ?? {}) }));
  return [...parts, sourceLine(ids.map(fileOf), sources)].join("\n\n");
}

/** The one file of an experiment's results. */
function fileOf(id: string): string {
  const found = readdirSync(RESULTS).filter((name) => name.startsWith(`${id}-`) && ["paper", "laptop"].some((scale) => name === `${id}-${scale}.json`));
  if (found.length !== 1) throw new Error(`experiments/results must have one file of ${id}, has ${found.join(", ") || "none"}`);
  return join(RESULTS, found[0] as string);
}

/** The paper's numbers beside ours; what several experiments compare stands once. */
function comparisonTable(all: readonly Comparison[]): string {
  const rows = all.filter((entry, i) => all.findIndex(({ quantity, ours }) => quantity === entry.quantity && ours === entry.ours) === i);
  const bases = [...new Set(rows.map(({ basis }) => basis))];
  return [
    table(
      ["what", "paper", "here", ""],
      rows.map(({ quantity, paper, ours, agrees, remark }) => [
        quantity,
        paper ? `${paperValue(paper)} (${paper.trust})` : "–",
        ours,
        [agrees === null ? [] : agrees ? "agrees" : "differs", remark ?? []].flat().join("; "),
      ]),
    ),
    paragraph(`Here: ${bases.join("; ")}.`),
  ].join("\n\n");
}

/** A statement of the paper, whether it holds here, and why. */
function claim({ text, holds, evidence }: Claim): string {
  return `**${holds === null ? "Cannot be told" : holds ? "Holds" : "Does not hold"}.** ${text} Here: ${evidence}.`;
}
