/** @file What settings are when they are left out, for the help texts: asked of the library, whose business it is. */
import { type PartialTrainConfig, recipes, registries, resolveTrainConfig } from "@gradalign/robustness";
import { settingsOfConfig, written } from "./convert.ts";
import { RUN_OPTIONS } from "./run-options.ts";
import type { Settings } from "./settings.ts";

/** Defaults in words, by setting. */
export type DefaultTexts = Readonly<Record<string, string>>;

/** Those that do not depend on what is trained. */
export const FIXED_DEFAULTS: DefaultTexts = {
  ...Object.fromEntries(Object.entries(RUN_OPTIONS).map(([name, option]) => [name, String(option.default)])),
  threads: "all cores",
  vectorBits: "what is faster here",
  workers: "2",
  microBatch: "the whole batch",
  phases: "none",
  excludeNorms: "no",
  trainSize: "all",
  validationSize: "none",
  labelSmoothing: "none",
  averaging: "none",
  weightPerturbation: "none",
  mixup: "none",
  cutmix: "none",
  guard: "off",
  neighbour: "random",
  aligned: "all",
  through: "network",
  alignEvery: "1",
  guardChange: "smaller-step",
};

/** What is chosen, not given by a recipe. */
const CHOICES: readonly string[] = ["dataset", "model", "method", "schedule"];

/** The defaults; of settings that depend on data set, model and method, the value for CIFAR-10, ResNet and GradAlign, or where it is used first. */
export function defaultTexts(): DefaultTexts {
  const names = Object.keys;
  const combinations = [
    {},
    ...names(registries.model).flatMap((model) => [
      ...names(registries.method).map((method) => ({ model, method: { name: method } })),
      ...names(recipes).map((dataset) => ({ model, dataset })),
    ]),
    ...names(registries.optimizer).map((name) => ({ optimizer: { name } })),
    ...names(registries.schedule).map((name) => ({ schedule: { name } })),
  ];
  const values = new Map<string, Set<string>>();
  for (const combination of combinations) {
    // Names of the registries themselves.
    const settings = settingsOfConfig(resolveTrainConfig(combination as PartialTrainConfig));
    for (const [name, value] of Object.entries(settings)) values.set(name, (values.get(name) ?? new Set()).add(written(value)));
  }
  const text = (name: string, [first, ...others]: readonly string[]): string => `${first}${others.length === 0 || CHOICES.includes(name) ? "" : ", by recipe"}`;
  return { ...Object.fromEntries([...values].map(([name, all]) => [name, text(name, [...all])])), ...FIXED_DEFAULTS };
}

/** Defaults of a command that has its own for some settings. */
export function textsOf(settings: Settings): DefaultTexts {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, written(value)]));
}
