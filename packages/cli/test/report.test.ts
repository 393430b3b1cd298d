/** @file Reports: self-contained, complete, accessible, and safe with odd names. */
import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { compareReport, runReport } from "../src/report/report.ts";
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
    expect(document.querySelectorAll("script, img, iframe, object, embed, link[rel=stylesheet]")).toHaveLength(0);
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
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
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

test("several runs: one facet per quantity, a legend of runs, settings that differ stand out", () => {
  const { document } = parseHTML(compareReport([overfitted, aligned], "Two runs"));
  const accuracy = document.querySelector("#accuracy");
  expect([...(accuracy?.querySelectorAll('g[aria-label="line"]') ?? [])].length).toBeGreaterThan(0);
  for (const facet of ["clean", "FGSM", "PGD", "fgsm-gradalign"]) expect(accuracy?.textContent).toContain(facet);
  const differing = [...document.querySelectorAll("tr.differs th")].map((cell) => cell.textContent);
  expect(differing).toEqual(["method", "lambda", "branches"]);
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
  expect(page).not.toContain("<script");
});

test("accuracy on held-out images is shown where there are such, and decides the best checkpoint", () => {
  const held = { ...aligned, evaluations: aligned.evaluations.map((evaluation) => ({ ...evaluation, validation_pgd_acc: 0.125 })) };
  const pages = [aligned, { ...held, best: { iteration: 400, pgdAccuracy: 0.125, on: "validation" } } as const].map(runReport);
  expect(pages.map((page) => page.includes('<th class="number">validation PGD</th>'))).toEqual([false, true]);
  expect(pages[1]).toContain("validation PGD accuracy 12.5 %");
  expect(pages[0]).toContain("train PGD accuracy");
});
