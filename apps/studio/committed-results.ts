/** @file Makes the committed results of experiments a module of the page: their claims and a drawn figure each, without the measurements. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Result } from "virtual:results";
import { experiments } from "@gradalign/experiments";
import { figureMarkup } from "@gradalign/runs";
import { nodeDocument } from "@gradalign/runs/node";
import type { Plugin } from "vite";

const FOLDER = new URL("../../experiments/results/", import.meta.url);
const NAME = "virtual:results";

/** Serves `virtual:results`. */
export function committedResults(names: readonly string[]): Plugin {
  return {
    name: "committed-results",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) =>
      id === `\0${NAME}` ? `export const results = ${JSON.stringify(Object.fromEntries(names.map((name) => [name, resultOf(name)])))};` : undefined,
  };
}

function resultOf(name: string): Result {
  const experiment = experiments.find(({ id }) => id === name);
  const file = readdirSync(FOLDER).find((one) => one.startsWith(`${name}-`));
  if (!experiment || !file || !existsSync(new URL(file, FOLDER))) throw new Error(`there are no committed results of ${name} in experiments/results`);
  const { title, paper, command, claims, scale, findings } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  const [figure = null] = experiment.page(findings, scale).sections.flatMap(({ text = "", figures = [] }) =>
    figures.map((one) => ({
      markup: figureMarkup(one.options, nodeDocument()),
      caption: [`${one.title}.`, text, one.caption].filter((part) => part !== "").join(" "),
    })),
  );
  return { title, paper, command, claims, figure };
}
