/** @file Sweeps from YAML files: settings files in which any value may be a list. */
import { externalName, type OptionValue } from "@gradalign/robustness";
import { type Combination, combinations, expand, isOf, type SettingLists, type SourceOf, type Sweep, sizeOf } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { namedSetting, readSettingsText, settingValue, yamlError } from "./config-file.ts";

/** Combinations that a sweep may have: more is most likely a mistake. */
const MAX_RUNS = 100_000;
const [EXCLUDE, INCLUDE] = ["exclude", "include"];

/** A sweep's combinations, and where each of their settings stands. */
export interface SweepFile {
  readonly combinations: readonly Combination[];
  /** Where a setting was written, e.g. `sweep.yaml:3: epsilon`. */
  readonly sourceOf: SourceOf;
}

/**
 * Reads a sweep's file.
 *
 * @throws ConfigError naming file, line and key when it cannot be read, is not YAML, or holds an unknown name or a forbidden value.
 */
export function readSweepFile(file: string): SweepFile {
  return parseSweep(readSettingsText(file, "sweep"), file);
}

/** The sweep of a file's text; @throws ConfigError as {@link readSweepFile}. */
export function parseSweep(text: string, file: string): SweepFile {
  const lines = new LineCounter();
  const sources = new Map<string, string>();
  let root: unknown;
  try {
    const document = parseDocument(text, { logLevel: "error", lineCounter: lines });
    const [problem] = document.errors;
    if (problem) throw problem;
    // Aliases are values like others from here on.
    document.toJS();
    root = document.contents;
    const at = (node: unknown): number => (isScalar(node) || isMap(node) || isSeq(node) ? lines.linePos(node.range?.[0] ?? 0).line : 1);
    const listsOf = (node: unknown, where: string, skip: readonly string[] = []): SettingLists => {
      if (!isMap(node)) throw new ConfigError(`${where} must hold settings as "name: value" lines; write e.g. "epsilon: [8, 16]"`);
      const lists: Record<string, readonly OptionValue[]> = {};
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key);
        if (skip.includes(name)) continue;
        const source = `${file}:${at(key)}`;
        const setting = namedSetting(name, source);
        const written: unknown = isNode(value) ? value.toJS(document) : value;
        const given = Array.isArray(written) ? written : [written];
        if (given.length === 0) throw new ConfigError(`${source}: ${name} must have a value, got an empty list; leave the line out, or write e.g. [1, 2]`);
        const each = given.map((one) => settingValue(setting, one, `${source}: ${name}`));
        const twice = each.find((one, i) => each.indexOf(one) < i);
        if (twice !== undefined) throw new ConfigError(`${source}: ${name} has ${JSON.stringify(twice)} twice; write each value once`);
        lists[setting] = each;
        if (!sources.has(setting) || skip.length > 0) sources.set(setting, `${source}: ${name}`);
      }
      return lists;
    };
    const values = listsOf(root, file, [EXCLUDE as string, INCLUDE as string]);
    const entriesOf = (name: string | undefined): { lists: SettingLists; source: string }[] => {
      const node = isMap(root) ? root.get(name, true) : undefined;
      if (node === undefined) return [];
      if (!isSeq(node)) throw new ConfigError(`${file}:${at(node)}: ${name} must be a list of settings; write e.g. "- method: fgsm" below it`);
      return node.items.map((item) => ({ lists: listsOf(item, `${file}:${at(item)}: ${name}`), source: `${file}:${at(item)}: ${name}` }));
    };
    const [exclude, include] = [entriesOf(EXCLUDE), entriesOf(INCLUDE)];
    const sweep: Sweep = { values, exclude: exclude.map(({ lists }) => lists), include: include.map(({ lists }) => lists) };
    const size = sizeOf(sweep);
    if (size > MAX_RUNS) throw new ConfigError(`${file}: must have at most ${MAX_RUNS} combinations, has ${size}; make several sweeps`);
    const all = combinations(values);
    for (const { lists, source } of exclude) {
      if (!all.some((one) => isOf(one, lists))) throw new ConfigError(`${source} fits none of the ${all.length} combinations; correct it or leave it out`);
    }
    const kept = expand(sweep);
    if (kept.length === 0) throw new ConfigError(`${file}: every combination is excluded; leave some in`);
    return { combinations: kept, sourceOf: (setting) => sources.get(setting) ?? `${file}: ${externalName(setting)}` };
  } catch (error) {
    throw error instanceof ConfigError ? error : yamlError(error, file);
  }
}
