/** @file The filter of the table of runs. Pure. */
import type { RunSummary } from "@gradalign/runs";

/** Whether a run has all words of a filter: `setting=value` is that setting's whole value, any other word a part of its name, state or settings. */
export function fitsFilter({ name, state, settings }: Pick<RunSummary, "name" | "state" | "settings">, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [name, state, ...Object.entries(settings).map(([setting, value]) => `${setting}=${value}`)].join(" ").toLowerCase();
  return words.every((word) => {
    const [setting = "", wanted = ""] = word.split(/=(.*)/s);
    const value = Object.hasOwn(settings, setting) ? settings[setting]?.toLowerCase() : undefined;
    // While it is written there is no value yet.
    if (value === undefined || wanted === "") return text.includes(word);
    // Radii are asked for as they are on the command line.
    return value === wanted || (setting === "epsilon" && value === `${wanted}/255`);
  });
}
