/** @file What settings are when they are left out, for the help texts: asked of the library, whose business it is. */
import { datasets, type MethodName, methods, models, resolveTrainConfig } from "@gradalign/robustness";
import { settingsOfConfig } from "./convert.ts";
import type { SettingName, Settings } from "./settings.ts";

/** Defaults in words, by setting. */
export type DefaultTexts = { readonly [Name in SettingName]?: string };

/** The attack after training, unless a run says otherwise. */
export const FINAL_DEFAULTS = { finalAttack: "pgd-50-10", finalExamples: 1000 } as const;

/** Those that do not depend on what is trained. */
export const FIXED_DEFAULTS: DefaultTexts = {
  threads: "all cores",
  backend: "auto",
  precision: "f32",
  tensorCores: "off",
  vectorBits: "what is faster here",
  softwareGpu: "no",
  trainSize: "all",
  validationSize: "none",
  finalAttack: FINAL_DEFAULTS.finalAttack,
  finalExamples: String(FINAL_DEFAULTS.finalExamples),
};

/** What is chosen, not given by a recipe. */
const CHOICES: readonly string[] = ["dataset", "model", "method"];

/** The defaults; of settings that depend on data set, model and method, the value for CIFAR-10, ResNet and GradAlign, or where it is used first. */
export function defaultTexts(): DefaultTexts {
  const combinations = Object.keys(models).flatMap((model) => [
    ...(Object.keys(methods) as MethodName[]).map((method) => ({ model, method })),
    ...Object.keys(datasets).map((dataset) => ({ model, dataset })),
  ]);
  const values = new Map<string, Set<unknown>>();
  for (const combination of [{}, ...combinations]) {
    for (const [name, value] of Object.entries(settingsOfConfig(resolveTrainConfig(combination)))) values.set(name, (values.get(name) ?? new Set()).add(value));
  }
  const text = (name: string, [first, ...others]: readonly unknown[]): string =>
    others.length === 0 || CHOICES.includes(name) ? String(first) : `${first}, by recipe`;
  return { ...Object.fromEntries([...values].map(([name, all]) => [name, text(name, [...all])])), ...FIXED_DEFAULTS };
}

/** Defaults of a command that has its own for some settings. */
export function textsOf(settings: Settings): DefaultTexts {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}
