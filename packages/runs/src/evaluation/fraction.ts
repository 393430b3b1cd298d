/** @file Radii as exact fractions: 8/255 is no decimal number. */
import { ConfigError } from "@gradalign/tensor";
import { levelsRemedy } from "../settings/levels.ts";

/** A radius as it was given: 8/255, 1/2. */
export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

const DECIMAL = /^(\d{0,12})(?:\.(\d{0,12}))?$/;

/**
 * Reads a radius: in l-infinity `8` and `8/255` are eight levels, in other norms `0.5` and `1/2` are what they say.
 *
 * @throws ConfigError for what is no number, a bare number between 0 and 1 in l-infinity, which may mean either, and a radius above 1 there.
 */
export function readRadius(norm: string, written: string, source = "--epsilon"): Fraction {
  const [top, bottom, ...more] = written
    .trim()
    .split("/")
    .map((part) => decimal(part.trim()));
  const level = norm === "linf" && bottom === undefined;
  const refuse = (rule: string, remedy: string): never => {
    throw new ConfigError(`${source} (="${written}") must be ${rule}; ${remedy}`);
  };
  const forms = norm === "linf" ? "0 or a number from 1 to 255, in steps of 1/255, or a fraction" : "a number of at least 0, or a fraction";
  const remedy = norm === "linf" ? levelsRemedy(Number(written)) : "write 0.5 or 1/2";
  if (!top || more.length > 0 || (written.includes("/") && !(bottom && bottom.numerator > 0))) return refuse(forms, remedy);
  if (level && top.numerator > 0 && top.numerator < top.denominator) return refuse(forms, remedy);
  const divisor = level ? { numerator: 255, denominator: 1 } : (bottom ?? { numerator: 1, denominator: 1 });
  const exact = { numerator: top.numerator * divisor.denominator, denominator: top.denominator * divisor.numerator };
  if (!Object.values(exact).every(Number.isSafeInteger)) return refuse("a fraction of smaller numbers", remedy);
  const found = lowest(exact);
  if (norm === "linf" && epsilonOf(found) > 1) return refuse(forms, "255 steps are the whole range of a pixel");
  // What divides 255 is told in levels.
  return norm === "linf" && 255 % found.denominator === 0 ? { numerator: (found.numerator * 255) / found.denominator, denominator: 255 } : found;
}

/**
 * The fraction of a radius that a program has as a number: in levels where it is one of so many, else its decimals.
 *
 * @throws ConfigError for a number of more decimals than are kept.
 */
export function fractionOf(norm: string, value: number): Fraction {
  const levels = Number((value * 255).toPrecision(12));
  const written = norm === "linf" && levels / 255 === value ? `${levels}/255` : `${value}/1`;
  const found = readRadius(norm, written);
  if (epsilonOf(found) !== value) throw new ConfigError(`epsilon (=${value}) must be a fraction of whole numbers; give --epsilon`);
  return found;
}

/** The number nearest to a fraction. */
export function epsilonOf({ numerator, denominator }: Fraction): number {
  return numerator / denominator;
}

/** A fraction as it is read: `8/255`, `1/2`, `12`. */
export function fractionText({ numerator, denominator }: Fraction): string {
  return denominator === 1 ? String(numerator) : `${numerator}/${denominator}`;
}

/** A fraction in lowest terms. */
export function lowest({ numerator, denominator }: Fraction): Fraction {
  let [a, b] = [numerator, denominator];
  while (b > 0) [a, b] = [b, a % b];
  return { numerator: numerator / a, denominator: denominator / a };
}

/** The fraction that a decimal number is. */
function decimal(text: string): Fraction | undefined {
  const [, whole, decimals = ""] = DECIMAL.exec(text) ?? [];
  if (whole === undefined || whole + decimals === "") return undefined;
  return { numerator: Number(whole + decimals), denominator: 10 ** decimals.length };
}
