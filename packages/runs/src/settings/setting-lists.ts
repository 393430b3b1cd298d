/** @file Settings as a form has them: texts, of which numbers and names may be several, with commas between. */
import type { OptionValue } from "@gradalign/robustness";
import { declarationOf, parseFlag, settingOf } from "./settings.ts";

/**
 * The values that a text stands for, each once.
 *
 * @throws ConfigError naming the value that it may not be, the rule and a remedy.
 */
export function readValues(name: string, text: string): readonly OptionValue[] {
  const { kind } = declarationOf(settingOf(name));
  // A text of a form of its own may hold commas.
  const parts = kind === "text" ? [text] : text.split(",").map((part) => part.trim());
  return [...new Set(parts.map((part) => parseFlag(name, part)))];
}
