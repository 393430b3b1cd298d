/** @file The flags that say of a file what it does not say itself: its network, which part, what is done to images first. */
import type { ConvertOptions } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";

/** The flags as they are written. */
export interface ModelFlags {
  readonly arch?: string;
  readonly part?: string;
  readonly mean?: string;
  readonly std?: string;
}

/** Adds the flags to a command. */
export function addModelFlags(command: Command): Command {
  return command
    .option("--arch <network>", "of a file of weights: its network, e.g. preact-resnet18 or wide-resnet:depth=28,widen=10 (default: the one its tensors fit)")
    .option("--part <key>", "of a PyTorch file with several models: the key of one, e.g. best")
    .option("--mean <x,…>", "per channel, or one number: images become (x - mean) / std first (default: what the file says)")
    .option("--std <x,…>", "per channel, or one number");
}

/**
 * What the flags say.
 *
 * @throws ConfigError for numbers that are none.
 */
export function modelOptions({ arch, part, mean, std }: ModelFlags): ConvertOptions {
  return { arch, part, mean: numbers("--mean", mean, Number.NEGATIVE_INFINITY), std: numbers("--std", std, 0) };
}

/** An image's shape, e.g. `3,32,32`. */
export function imageShape(flag: string, text: string | undefined): [number, number, number] | undefined {
  const [channels, height, width, ...more] = numbers(flag, text, 0) ?? [];
  if (text === undefined) return undefined;
  const sizes = [channels, height, width];
  if (more.length > 0 || !sizes.every(Number.isSafeInteger)) throw new ConfigError(`${flag} (="${text}") must be channels,height,width; write e.g. 3,32,32`);
  return sizes as [number, number, number];
}

function numbers(flag: string, text: string | undefined, above: number): number[] | undefined {
  const list = text?.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (list?.some((value) => !Number.isFinite(value) || value <= above)) {
    throw new ConfigError(`${flag} (="${text}") must be numbers${above === 0 ? " above 0" : ""} with commas between; write e.g. 0.49,0.48,0.45`);
  }
  return list;
}
