/** @file Reports: self-contained, complete, accessible, and safe with odd names. */

import type { Outcome } from "@gradalign/robustness";
import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { figureMarkup } from "../src/figures/draw.ts";
import { grownFilter } from "../src/figures/filters.ts";
import { nodeDocument } from "../src/figures/node-document.ts";
import { panelFigure, spread } from "../src/figures/panel.ts";
import { runStyle } from "../src/figures/series.ts";
import type { ReportRun, RobustnessRecord } from "../src/run/run-data.ts";
import { compareReport, runReport } from "./support/reports.ts";
import { syntheticRun } from "./support/synthetic-run.ts";

const overfitted = syntheticRun("fgsm", 6.2);
const aligned = syntheticRun("fgsm-gradalign", null);

function ids(page: string): string[] {
  return [...parseHTML(page).document.querySelectorAll(".card[id]")].map((card) => card.id);
}

describe.each([
  ["of one run", runReport(overfitted)],
  ["of two runs", compareReport([overfitted, aligned], "Two runs")],
])("a report %s", (_, page) => {
  const { document } = parseHTML(page);

  test("asks for nothing from outside", () => {
    expect(document.querySelectorAll("script[src], img, iframe, object, embed, link[rel=stylesheet]")).toHaveLength(0);
    expect(page).not.toMatch(/@import|(?:src|href)="(?!data:)|url\((?!#)/);
    // The only addresses are the names of XML namespaces.
    expect((page.match(/https?:\/\/[^"\s<]+/g) ?? []).filter((address) => !address.startsWith("http://www.w3.org/"))).toEqual([]);
  });

  test("names and describes every figure", () => {
    const figures = [...document.querySelectorAll("svg[role=img]")];
    expect(figures.length).toBeGreaterThan(8);
    for (const figure of figures) {
      expect(figure.getAttribute("aria-label")).toBeTruthy();
      expect(figure.getAttribute("aria-description")).toBeTruthy();
    }
    expect(document.querySelector("html")?.getAttribute("lang")).toBe("en");
    expect(document.title).not.toBe("");
  });

  test("marks where catastrophic overfitting happened", () => {
    const accuracy = document.querySelector("#accuracy")?.outerHTML ?? "";
    expect(accuracy).toContain("stroke-dasharray");
    expect(accuracy).toContain("overfits, epoch 6.2");
    expect(document.querySelector(".verdict.overfitted")?.textContent).toContain("iteration 2,418");
  });

  test("draws no value that is not a number", () => {
    // One column of the CSV is the share of undefined alignments.
    expect(page.replaceAll("undefined_alignment", "")).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });
});

test("one run: the paper's curves, its filters, outcome and settings", () => {
  const page = runReport(overfitted);
  expect(ids(page)).toEqual(["accuracy", "loss", "linearity", "training", "delta", "learning-rate", "filter-norms", "outgoing-norms"]);
  const { document } = parseHTML(page);
  const panels = [...document.querySelectorAll(".filters .card")];
  expect(panels.map((panel) => panel.querySelector("h3")?.textContent)).toEqual(["w1", "w2", "w3", "w4"]);
  // Two checkpoints of three channels of 3 x 3 weights.
  expect(panels[3]?.querySelectorAll('g[aria-label="cell"] rect')).toHaveLength(2 * 27);
  const text = document.body.textContent ?? "";
  for (const part of ["PGD-50-10", "10/255", "gradalign train --dataset cifar10 --model cnn", "weight-decay"]) expect(text).toContain(part);
});

test("several runs: one panel per quantity, a legend of runs, settings that differ stand out", () => {
  const { document } = parseHTML(compareReport([overfitted, aligned], "Two runs"));
  const accuracy = document.querySelector("#accuracy");
  expect([...(accuracy?.querySelectorAll('g[aria-label="line"]') ?? [])].length).toBeGreaterThan(0);
  expect([...(accuracy?.querySelectorAll("figcaption") ?? [])].map((title) => title.textContent)).toEqual(["clean", "FGSM", "PGD-10"]);
  expect([...(accuracy?.querySelectorAll(".legend li") ?? [])].map((item) => item.textContent)).toEqual(["1 fgsm", "2 fgsm-gradalign"]);
  const differing = [...document.querySelectorAll("tr.differs th")].map((cell) => cell.textContent);
  expect(differing).toEqual(["method", "branches", "lambda"]);
});

test("a run that was stopped before its first evaluation still has a report", () => {
  const page = runReport({ ...aligned, evaluations: [], robustness: [], filters: [], best: null, machine: null });
  expect(ids(page)).toEqual([]);
  expect(page).toContain("Settings");
});

test("values that are missing are left out, not drawn as zero", () => {
  const evaluations = aligned.evaluations.map((evaluation, i) => (i === 3 ? { ...evaluation, test_pgd_loss: null as unknown as number } : evaluation));
  expect(runReport({ ...aligned, evaluations })).not.toMatch(/NaN/);
});

test("names cannot inject markup", () => {
  const config = { ...overfitted.config, dataset: "<script>alert(1)</script>" };
  const page = runReport({ ...overfitted, config });
  expect(page).not.toContain("<script>alert");
  expect(parseHTML(page).document.querySelectorAll("script")).toHaveLength(1);
});

test("a watched run's report has its guard's alarms, what the steps told of their attack as a figure, and both in numbers", () => {
  const evaluations = overfitted.evaluations.map((evaluation) => ({ ...evaluation, attack_alignment: 0.5, fallen_losses: 0.125 }));
  const alarms = [{ iteration: 2400, epoch: 6.15, evidence: "alignment of attack and training fell", restored: 2200, change: "gradalign" } as const];
  const watched = { ...overfitted, evaluations, alarms };
  const { document } = parseHTML(runReport(watched));
  expect(ids(runReport(watched))).toContain("signs");
  const verdicts = [...document.querySelectorAll(".verdict")].map((verdict) => verdict.textContent);
  expect(verdicts[1]).toBe(
    "Guard: alarm at iteration 2,400, epoch 6.15: alignment of attack and training fell; back to iteration 2,200's state, on with GradAlign beside the method's loss.",
  );
  const heads = (page: string) => [...parseHTML(page).document.querySelectorAll("details th")].map((cell) => cell.textContent);
  expect(heads(runReport(watched)).slice(-2)).toEqual(["attack's alignment", "losses that fell"]);
  expect(heads(runReport(overfitted))).not.toContain("losses that fell");
  expect(compareReport([watched, aligned], "Two runs")).toContain("fgsm: <strong>Guard:</strong> alarm at iteration 2,400");
});

test("accuracy on held-out images is shown where there are such, and decides the best checkpoint", () => {
  const held = { ...aligned, evaluations: aligned.evaluations.map((evaluation) => ({ ...evaluation, validation_pgd_acc: 0.125 })) };
  const pages = [aligned, { ...held, best: { iteration: 400, pgdAccuracy: 0.125, on: "validation" } } as const].map(runReport);
  expect(pages.map((page) => page.includes('<th class="number">validation PGD-10</th>'))).toEqual([false, true]);
  expect(pages[1]).toContain("validation PGD-10 accuracy 12.5 %");
  expect(pages[0]).toContain("train PGD-10 accuracy");
});

describe("only like is set beside like", () => {
  /** A run whose last model was attacked in these ways. */
  function attacked(run: ReportRun, ...attacks: readonly (readonly [attack: string, n: number, robust: number, epsilon?: number])[]): ReportRun {
    const record = run.robustness[0] as RobustnessRecord;
    const robustness = attacks.map(([attack, n, robustAccuracy, epsilon = run.config.epsilon]) => ({ ...record, attack, n, robustAccuracy, epsilon }));
    return { ...run, robustness };
  }
  /** The tiles of a report by the heading above them. */
  function tiles(run: ReportRun): Record<string, string[]> {
    const { document } = parseHTML(runReport(run));
    return Object.fromEntries(
      [...document.querySelectorAll(".tiles-title")].map((title) => [
        title.textContent ?? "",
        [...(title.nextElementSibling?.querySelectorAll(".tile") ?? [])].map((tile) => [...tile.children].map((part) => part.textContent).join(" | ")),
      ]),
    );
  }
  /** The summary's columns: heading and the cell of each run. */
  function columns(runs: readonly ReportRun[]): Record<string, string[]> {
    const { document } = parseHTML(compareReport(runs, "Runs"));
    const table = document.querySelector("table.summary");
    const [groups, names] = [...(table?.querySelectorAll("thead tr") ?? [])].map((row) => [...row.children]);
    const wide = (groups ?? []).filter((cell) => cell.hasAttribute("colspan"));
    const titles = wide.flatMap((cell) => Array.from({ length: Number(cell.getAttribute("colspan")) }, () => cell.textContent));
    const rows = [...(table?.querySelectorAll("tbody tr") ?? [])].map((row) => [...row.children].map((cell) => cell.textContent ?? ""));
    const first = (groups ?? []).length - wide.length - 1;
    return Object.fromEntries((names ?? []).map((name, i) => [`${titles[i]}: ${name.textContent}`, rows.map((row) => row[first + i] as string)]));
  }

  test("another evaluation adds a tile and takes none away", () => {
    const before = tiles(attacked(aligned, ["pgd-50-10", 1000, 0.185]));
    const after = tiles(attacked(aligned, ["pgd-50-10", 1000, 0.185], ["fgsm", 32, 0], ["pgd-50-10", 1000, 0.3, 4 / 255]));
    expect(before["Saved model, first 1,000 test images"]).toEqual(["clean accuracy | 43.0 % | ", "PGD-50-10 accuracy | 18.5 % | ε = 10/255"]);
    expect(after["Saved model, first 1,000 test images"]).toEqual([
      ...(before["Saved model, first 1,000 test images"] as string[]),
      "PGD-50-10 accuracy | 30.0 % | ε = 4/255",
    ]);
    expect(after["Saved model, first 32 test images"]).toEqual(["clean accuracy | 43.0 % | ", "FGSM accuracy | 0.0 % | ε = 10/255"]);
    const evaluated = "Last evaluation while training, first 256 test images";
    expect(after[evaluated]).toEqual(before[evaluated]);
    expect(after[evaluated]?.map((tile) => tile.split(" | ")[0])).toContain("PGD-10 accuracy");
  });

  test("attacks, steps, restarts and numbers of images have columns of their own", () => {
    const runs = [
      attacked(overfitted, ["pgd-50-10", 1000, 0.001], ["fgsm", 1000, 0.9]),
      attacked(aligned, ["pgd-50-10", 500, 0.2], ["pgd-10", 1000, 0.22], ["pgd-50", 1000, 0.21]),
    ];
    const found = columns(runs);
    expect(found["saved model, first 1,000 test images: PGD-50-10"]).toEqual(["0.1 %", "–"]);
    expect(found["saved model, first 1,000 test images: FGSM"]).toEqual(["90.0 %", "–"]);
    expect(found["saved model, first 1,000 test images: PGD-10"]).toEqual(["–", "22.0 %"]);
    expect(found["saved model, first 1,000 test images: PGD-50"]).toEqual(["–", "21.0 %"]);
    expect(found["saved model, first 500 test images: PGD-50-10"]).toEqual(["–", "20.0 %"]);
    expect(found["last evaluation, first 256 test images: PGD-10"]).toHaveLength(2);
  });

  test("evaluations during training on other numbers of images too", () => {
    const other = { ...aligned, label: "other", config: { ...aligned.config, evalExamples: 64, epsilon: 8 / 255 }, robustness: [] };
    const found = columns([{ ...overfitted, robustness: [] }, other]);
    expect(found["last evaluation, first 256 test images: PGD-10"]).toEqual(["0.0 %", "–"]);
    expect(found["last evaluation, first 64 test images: PGD-10"]).toEqual(["–", expect.stringMatching(/^\d\d\.\d %$/)]);
  });
});

describe("the verdict", () => {
  test.each([
    ["healthy", "No catastrophic overfitting", "verdict"],
    ["diverged", "The training diverged: 4 is the evidence.", "verdict overfitted"],
    ["learned nothing", "The model learned nothing: 4 is the evidence.", "verdict overfitted"],
    ["not robust", "Not robust: 4 is the evidence.", "verdict overfitted"],
  ] as const)("on a run that is %s", (kind: Outcome["kind"], words, look) => {
    const run: ReportRun = { ...aligned, outcome: { kind, evidence: "4 is the evidence" } };
    const { document } = parseHTML(runReport(run));
    expect(document.querySelector(".verdict")?.textContent).toContain(words);
    expect(document.querySelector(".verdict")?.className).toBe(look);
    if (kind !== "healthy") expect(document.body.textContent).not.toContain("No catastrophic overfitting");
    const row = parseHTML(compareReport([run, overfitted], "Two")).document.querySelector("table.summary tbody tr");
    expect(row?.lastElementChild?.textContent).toBe(kind === "healthy" ? "no catastrophic overfitting" : kind);
  });

  test("does not praise a training without an adversary", () => {
    const clean = { ...aligned, config: { ...aligned.config, method: { name: "standard" as const } }, outcome: { kind: "healthy" as const, evidence: "" } };
    const { document } = parseHTML(runReport(clean));
    expect(document.querySelector(".verdict")?.textContent).toContain("Trained without an adversary.");
    expect(document.querySelector(".verdict")?.className).toBe("verdict open");
    const row = parseHTML(compareReport([clean, overfitted], "Two")).document.querySelector("table.summary tbody tr");
    expect(row?.lastElementChild?.textContent).toBe("no adversary");
  });

  test("waits for the first evaluation", () => {
    expect(runReport({ ...aligned, evaluations: [], outcome: null })).toContain("Not evaluated yet");
  });
});

describe("twenty runs", () => {
  const runs = Array.from({ length: 20 }, (_, i) => {
    const run = syntheticRun(`run-${i}`, null);
    return { ...run, evaluations: run.evaluations.slice(0, 12), filters: [] };
  });

  test("differ in colour or dash", () => {
    expect(new Set(runs.map((_, i) => JSON.stringify(runStyle(i)))).size).toBe(20);
  });

  test("have a line, an entry in the legend and a label at its end each", () => {
    const accuracy = parseHTML(compareReport(runs, "Twenty")).document.querySelector("#accuracy");
    expect(accuracy?.querySelectorAll(".legend li")).toHaveLength(20);
    const [panel] = accuracy?.querySelectorAll(".panel") ?? [];
    const drawn = [...(panel?.querySelectorAll("path[aria-label]") ?? [])].map(
      (path) => `${path.getAttribute("stroke")} ${path.parentElement?.getAttribute("stroke-dasharray")}`,
    );
    expect(new Set(drawn).size).toBe(20);
    const words = [...(panel?.querySelectorAll("text") ?? [])].map((text) => text.textContent);
    expect(words).toEqual(expect.arrayContaining(runs.map((_, i) => String(i + 1))));
  });

  test("labels keep their order and their distance, within bounds", () => {
    expect(spread([10, 50, 12], 11, [0, 100])).toEqual([10, 50, 21]);
    expect(spread([99, 98, 97], 10, [0, 100])).toEqual([100, 90, 80]);
    expect(spread([5, 5, 5, 5], 10, [0, 20])).toEqual([5, 10, 15, 20]);
  });
});

test("the most that the ball allows follows from the images' size", () => {
  const dotted = (dataset: string) => {
    const page = parseHTML(runReport({ ...aligned, config: { ...aligned.config, dataset, epsilon: 0.1 } })).document;
    const svg = page.querySelector("#delta svg[data-axes]");
    const [, y] = JSON.parse(svg?.getAttribute("data-axes") ?? "[]") as { domain: [number, number]; range: [number, number] }[];
    const at = Number(svg?.querySelector('g[stroke-dasharray="1,3"] line')?.getAttribute("y1"));
    if (!y) throw new Error("no axes");
    return y.domain[0] + ((at - y.range[0]) / (y.range[1] - y.range[0])) * (y.domain[1] - y.domain[0]);
  };
  expect(dotted("cifar10")).toBeCloseTo(0.1 * Math.sqrt(3072), 2);
  expect(dotted("mnist")).toBeCloseTo(0.1 * Math.sqrt(784), 2);
});

test("evaluations and attacks can be saved as CSV with all digits", () => {
  const { document } = parseHTML(compareReport([overfitted, aligned], "Two runs"));
  const saved = (name: string) =>
    decodeURIComponent(document.querySelector(`a[download="${name}"]`)?.getAttribute("href")?.split(",").slice(1).join(",") ?? "").split("\n");
  const [heading = "", first = ""] = saved("evaluations.csv");
  expect(heading).toMatch(/^run,iteration,epoch,.*filter_norm_1/);
  expect(first.split(",")[heading.split(",").indexOf("test_pgd_acc")]).toBe(String(overfitted.evaluations[0]?.test_pgd_acc));
  expect(saved("evaluations.csv")).toHaveLength(2 + overfitted.evaluations.length + aligned.evaluations.length);
  expect(saved("saved-models.csv")).toHaveLength(2 + 4);
});

test("no filter is the strongest where all are zero", () => {
  expect(grownFilter({ norms: [0, 1, 1], outgoing: [2, 1, 2] })).toBe(2);
  expect(grownFilter({ norms: [0, 0], outgoing: [1, 2] })).toBe(-1);
});

test("a line's label is moved for its neighbours alone: lines that end elsewhere keep theirs at their ends", () => {
  const lines = ["a", "b", "c"].map((name) => ({ name, legend: name, short: name, color: "red", dash: "" }));
  const rows = [
    ["a", 10],
    ["b", 10],
    ["c", 5],
  ].flatMap(([run, end]) => [0, end as number].map((epoch) => ({ epoch, value: 0.5, series: "s", run: run as string })));
  const options = {
    title: "t",
    description: "d",
    rows,
    by: "run",
    lines,
    collapses: [],
    epochs: 30,
    y: { domain: [0, 1] },
    bound: undefined,
    width: 600,
  } as const;
  const markup = figureMarkup(panelFigure(options as never), nodeDocument());
  const [a, b, c] = [..."abc"].map((name) => Number(new RegExp(`translate\\([\\d.]+,([\\d.]+)\\)"[^>]*>${name}<`).exec(markup)?.[1]));
  expect([a, (b as number) - (a as number)]).toEqual([c, 11]);
});
