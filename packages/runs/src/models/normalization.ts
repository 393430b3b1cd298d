/** @file What is done to a network's images first: what was given, else what its file says. */
import type { Normalization } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";

/** Per channel, or one number for all: x becomes (x - mean) / std first. Unless set, what the file holds. */
export interface GivenNormalization {
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
}

/** What is done to images, and what is to be told of it. */
export interface ChosenNormalization {
  readonly normalization: Normalization | null;
  readonly notes: readonly string[];
}

/**
 * Chooses.
 *
 * @param found what the file says; null that there is none, undefined nothing.
 * @param where why nothing is done if nothing is known, for the note.
 * @throws ConfigError for what was given for another number of channels.
 */
export function chosenNormalization(
  found: Normalization | null | undefined,
  { mean, std }: GivenNormalization,
  { channels, where }: { readonly channels: number; readonly where: string },
): ChosenNormalization {
  const each = (list: readonly number[]): readonly number[] => (list.length === 1 ? Array.from({ length: channels }, () => list[0] as number) : list);
  const words = ({ mean, std }: Normalization): string => `mean ${mean.map(short).join(", ")}, std ${std.map(short).join(", ")}`;
  for (const [name, list] of Object.entries({ mean, std })) {
    if (list && list.length !== channels && list.length !== 1)
      throw new ConfigError(`--${name} (="${list.join()}") must be one number, or one for each of ${channels} channels, got ${list.length}`);
  }
  if (mean || std) {
    const given = { mean: each(mean ?? [0]), std: each(std ?? [1]) };
    return { normalization: given, notes: found ? [`normalised with what was given, not with the file's ${words(found)}`] : [] };
  }
  if (found) {
    const own = { mean: each(found.mean), std: each(found.std) };
    return { normalization: own, notes: [`images are normalised with the file's ${words(own)}`] };
  }
  if (found === null) return { normalization: null, notes: [] };
  return { normalization: null, notes: [`images are not normalised (${where}); if its own code normalises them, give --mean and --std`] };
}

/** A number as short as float32 tells it from others. */
function short(value: number): string {
  return String(Number(value.toPrecision(7)));
}
