/** @file What a run folder tells of its classes. */
import { resolveTrainConfig } from "@gradalign/robustness";
import { expect, test } from "vitest";
import { chanceOf } from "../../src/folder/node-read-run.ts";
import type { Run } from "../../src/folder/node-run.ts";

test("guessing is right as often as the run's own data set has classes, or the known one before the first checkpoint", () => {
  const config = resolveTrainConfig({ dataset: "cifar10" });
  const seal = { data: { classNames: ["cat", "dog"] } } as unknown as Run["seal"];
  expect(chanceOf({ config, seal })).toBe(1 / 2);
  expect(chanceOf({ config, seal: null })).toBe(1 / 10);
});
