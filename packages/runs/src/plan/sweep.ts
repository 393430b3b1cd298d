/** @file Grids of settings: every combination of lists, without some, with others. */
import type { OptionValue } from "@gradalign/robustness";

/** Settings, some with several values, by their names in the program. */
export type SettingLists = Readonly<Record<string, readonly OptionValue[]>>;

/** A sweep as it was asked for. */
export interface Sweep {
  readonly values: SettingLists;
  /** Combinations that are left out: those that have one of an entry's values for each of its settings. */
  readonly exclude: readonly SettingLists[];
  /** Further grids: the sweep's values, with an entry's in their place. Nothing is excluded from them. */
  readonly include: readonly SettingLists[];
}

/** One combination. */
export type Combination = Readonly<Record<string, OptionValue>>;

/** All combinations of lists; the last setting changes fastest. */
export function combinations(lists: SettingLists): Combination[] {
  return Object.entries(lists).reduce<Combination[]>(
    (before, [name, values]) => before.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}],
  );
}

/** Whether a combination has one of the values of each setting. */
export function isOf(combination: Combination, lists: SettingLists): boolean {
  return Object.entries(lists).every(([name, values]) => values.includes(combination[name] as OptionValue));
}

/** How many combinations there are before any is left out. */
export function sizeOf({ values, include }: Sweep): number {
  const size = (lists: SettingLists): number => Object.values(lists).reduce((product, list) => product * list.length, 1);
  return [values, ...include.map((entry) => ({ ...values, ...entry }))].reduce((sum, lists) => sum + size(lists), 0);
}

/** The combinations of a sweep. */
export function expand({ values, exclude, include }: Sweep): Combination[] {
  const kept = combinations(values).filter((combination) => !exclude.some((entry) => isOf(combination, entry)));
  return [...kept, ...include.flatMap((entry) => combinations({ ...values, ...entry }))];
}

/** The settings that not all combinations have the same value of, in the order of their first appearance. */
export function variedSettings(list: readonly Combination[]): string[] {
  const names = [...new Set(list.flatMap((combination) => Object.keys(combination)))];
  return names.filter((name) => new Set(list.map((combination) => combination[name])).size > 1);
}
