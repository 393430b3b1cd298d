/** @file What is compared on the page of runs, without a browser: smoothing, groups, means, the address. */
import type { SeriesRow } from "@gradalign/runs";
import { describe, expect, test } from "vitest";
import { QUANTITIES, type Quantity, readChoice, START, writeChoice } from "../src/runs/address.ts";
import { differingSettings, groupsOf, type LoadedRun, lastSpread, lineOf, smoothed, valueAt } from "../src/runs/aggregate.ts";
import { fitsFilter } from "../src/runs/filter.ts";

const row = (epoch: number, value: number): SeriesRow => ({ epoch, value, series: "s", run: "r" });
const PGD = QUANTITIES.find(({ key }) => key === "test_pgd_acc") as Quantity;

/** A run whose PGD accuracies are these, an epoch apart. */
function runOf(settings: Record<string, string>, accuracies: readonly number[], name = "run"): LoadedRun {
  const evaluations = accuracies.map((test_pgd_acc, epoch) => ({ epoch, test_pgd_acc }) as LoadedRun["evaluations"][number]);
  return { summary: { name, settings, last: evaluations.at(-1) ?? null } as LoadedRun["summary"], evaluations };
}

describe("smoothing", () => {
  test("leaves a constant as it is, and everything without a weight", () => {
    const rows = [3, 3, 3].map((value, epoch) => row(epoch, value));
    expect(smoothed(rows, 0.9).map(({ value }) => value)).toEqual([3, 3, 3].map((value) => expect.closeTo(value)));
    const others = [1, 5, 2].map((value, epoch) => row(epoch, value));
    expect(smoothed(others, 0)).toEqual(others);
  });

  test("weighs what was before, the first value as the others", () => {
    expect(smoothed([row(0, 1), row(1, 0)], 0.5).map(({ value }) => value)).toEqual([1, expect.closeTo(1 / 3)]);
  });
});

describe("groups", () => {
  const runs = [
    runOf({ method: "fgsm", seed: "0" }, [0, 0.2, 0.4], "a"),
    runOf({ method: "fgsm", seed: "1" }, [0.2, 0.4], "b"),
    runOf({ method: "pgd", seed: "0", steps: "2" }, [0.5], "c"),
  ];

  test("are runs, runs that differ in their seed alone, or those of one value", () => {
    expect(differingSettings(runs.map(({ summary }) => summary))).toEqual(["method", "seed", "steps"]);
    const names = (grouping: Parameters<typeof groupsOf>[1]) => groupsOf(runs, grouping).map(({ name, runs: own }) => [name, own.length]);
    expect(names("run")).toEqual([
      ["a", 1],
      ["b", 1],
      ["c", 1],
    ]);
    expect(names("seeds")).toEqual([
      // The steps follow from the method.
      ["method fgsm", 2],
      ["method pgd", 1],
    ]);
    expect(names("by seed")).toEqual([
      ["seed 0", 2],
      ["seed 1", 1],
    ]);
  });

  test("have a line of means with their deviation, as far as each run has come", () => {
    const [group] = groupsOf(runs, "by method");
    const { rows, bands } = lineOf(group as never, PGD, 0);
    expect(rows.map(({ epoch, value, run }) => [epoch, value, run])).toEqual([
      [0, expect.closeTo(0.1), "method fgsm"],
      [1, expect.closeTo(0.3), "method fgsm"],
      [2, expect.closeTo(0.4), "method fgsm"],
    ]);
    // Of one value no deviation is known.
    const deviation = Math.SQRT2 / 10;
    expect(bands).toEqual(
      [0.1, 0.3].map((mean, epoch) => ({ name: "method fgsm", epoch, low: expect.closeTo(mean - deviation), high: expect.closeTo(mean + deviation) })),
    );
    expect(
      lastSpread(
        runs.map(({ summary }) => summary),
        "test_pgd_acc",
      ),
    ).toMatchObject({ n: 3, mean: expect.closeTo(1.3 / 3) });
    expect(lastSpread([{ last: null }], "test_pgd_acc")).toBeUndefined();
  });

  test("values between points are on a straight line, and none outside", () => {
    const rows = [row(1, 0), row(3, 1)];
    expect([0.5, 1, 1.5, 3, 4].map((epoch) => valueAt(rows, epoch))).toEqual([undefined, 0, 0.25, 1, undefined]);
  });
});

test("a filter asks for whole values of settings, and for parts of names", () => {
  const run = { name: "sweep/seed=12 wide", state: "finished", settings: { seed: "10", epochs: "30", epsilon: "8/255" } } as const;
  const fits = (filter: string) => fitsFilter(run, filter);
  for (const filter of ["", "seed=10", "epochs=30 SEED=10", "epsilon=8", "epsilon=8/255", "wide fin", "seed=", "epoch"])
    expect([filter, fits(filter)]).toEqual([filter, true]);
  for (const filter of ["seed=1", "epochs=3", "epsilon=80", "seed=10 none", "lr=0.1"]) expect([filter, fits(filter)]).toEqual([filter, false]);
});

describe("the address", () => {
  test("gives back what was chosen", () => {
    const choice = {
      selected: ["0/a&b", "1/<c>"],
      hidden: ["method fgsm, seed 1"],
      quantities: ["train_loss"],
      smoothing: 0.5,
      grouping: "by seed",
      zoom: [1.5, 20],
      focus: "0/a&b",
      filter: "seed=1",
      order: { column: "pgd", down: true },
      matrix: { source: "0/a b", axes: ["method", ""], measure: "train_loss" },
    } as const;
    expect(readChoice(writeChoice(choice))).toEqual({ choice, problems: [] });
    expect(writeChoice(START)).toBe("");
    expect(readChoice("")).toEqual({ choice: START, problems: [] });
    for (const selected of [[], null])
      expect(readChoice(writeChoice({ ...START, selected, quantities: [] })).choice).toMatchObject({ selected, quantities: [] });
  });

  test("that says nonsense is taken as far as it can be, and says what it is not", () => {
    const { choice, problems } = readChoice("smooth=2&group=x&epochs=5-1&show=nothing&look=0/a&colour=red");
    expect(choice).toEqual({ ...START, quantities: [], focus: "0/a" });
    expect(problems.map((problem) => /^The address says (\w+=\S+), which/.exec(problem)?.[1]).sort()).toEqual([
      "colour=red",
      "epochs=5-1",
      "group=x",
      "show=nothing",
      "smooth=2",
    ]);
  });
});
