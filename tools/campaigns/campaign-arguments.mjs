/** @file What every campaign is given: `--count N --seed S`, and options of its own. */
import { parseArgs } from "node:util";

/**
 * Reads the command line of a campaign; wrong usage ends the process with exit code 2.
 *
 * @template {Record<string, readonly string[]>} Options
 * @param {{ readonly count: number, readonly seed: number }} defaults How many cases, and the number they begin with.
 * @param {Options} [choices] Further options: what they may be, the default first.
 * @returns {{ count: number, seed: number } & { [Name in keyof Options]: string }}
 */
export function campaignArguments(defaults, choices = /** @type {Options} */ ({})) {
  const names = ["count", "seed", ...Object.keys(choices)];
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: /** @type {const} */ ("string") }])) });
    const integer = (/** @type {"count" | "seed"} */ name) => {
      const text = values[name] ?? String(defaults[name]);
      if (!/^\d+$/.test(String(text))) throw new RangeError(`--${name} (="${text}") must be an integer from 0; write e.g. --${name} ${defaults[name]}`);
      return Number(text);
    };
    const chosen = Object.entries(choices).map(([name, allowed]) => {
      const text = values[name] ?? allowed[0];
      if (!allowed.includes(String(text))) throw new RangeError(`--${name} (="${text}") must be one of ${allowed.join(", ")}`);
      return [name, text];
    });
    return { count: integer("count"), seed: integer("seed"), ...Object.fromEntries(chosen) };
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
    process.exit(2);
  }
}
