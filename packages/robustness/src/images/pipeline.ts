/** @file Transforms one after the other, as they are written: `random-resized-crop:size=64;filter=bicubic+flip`. */
import { ConfigError, type Key, philox } from "@gradalign/tensor";
import { drawsOf } from "../draws.ts";
import { closestName } from "../options/closest-name.ts";
import type { OptionTable, ValuesOf } from "../options/option.ts";
import { resolveOptions } from "../options/resolve.ts";
import { readOptions, readWritten, writeOptions } from "../options/written.ts";
import type { RgbImage } from "./rgb-image.ts";
import { side as cropSide } from "./transforms/center-crop.ts";
import { transforms } from "./transforms/index.ts";
import type { Transform } from "./transforms/transform.ts";

/** Transforms one after the other. */
export interface Pipeline {
  /** As it is written, with the options that were given. */
  readonly text: string;
  /** Whether what it does is drawn; then each image needs a key of its own. */
  readonly random: boolean;
  /** Width and height of all images after it; undefined where they depend on the image before it. */
  readonly size: number | undefined;
  /** The image transformed with draws of the key, each transform with its own. */
  apply(image: RgbImage, key: Key): RgbImage;
}

const DOMAIN = 0x70697065; // "pipe"

/**
 * The transforms of a text, joined by `+`, their options by `;`; none for an empty one.
 *
 * @param source where it was written, e.g. `train`.
 * @param side the side of crops that do not say theirs.
 * @throws ConfigError for a name or an option that is not known, or a forbidden value.
 */
export function transformPipeline(source: string, text: string, side?: number): Pipeline {
  const words = text.split("+").filter((word) => word.trim() !== "");
  const steps = words.map((word) => readStep(source, word.trim().replaceAll(";", ","), side));
  return {
    text: steps.map(({ text }) => text).join("+"),
    random: steps.some(({ random }) => random),
    size: steps.reduce<number | undefined>((size, step) => step.size ?? (step.keepsSize ? size : undefined), undefined),
    apply(image, key) {
      return steps.reduce((done, step, i) => {
        const [a, b] = philox([i, 0, 0, DOMAIN], key);
        return step.apply(done, [a, b]);
      }, image);
    },
  };
}

interface Step {
  readonly text: string;
  readonly random: boolean;
  readonly size: number | undefined;
  readonly keepsSize: boolean;
  apply(image: RgbImage, key: Key): RgbImage;
}

function readStep(source: string, word: string, side: number | undefined): Step {
  const { name, texts } = readWritten(source, word);
  if (!Object.hasOwn(transforms, name)) {
    const close = closestName(name, Object.keys(transforms));
    throw new ConfigError(
      `${source}: the transform (="${name}") must be one of ${Object.keys(transforms).join(", ")}${close === undefined ? "" : `; did you mean ${close}?`}`,
    );
  }
  const transform: Transform = transforms[name as keyof typeof transforms];
  const given = readOptions(source, name, transform.options, texts);
  if (side !== undefined && transform.options["size"] === cropSide) given["size"] ??= side;
  const values = resolveOptions({ path: `${source}: `, owner: name }, transform.options, given) as ValuesOf<OptionTable>;
  return {
    text: writeOptions(name, given).replaceAll(",", ";"),
    random: transform.random,
    size: transform.size(values),
    keepsSize: name !== "resize",
    apply: (image, key) => transform.apply(image, values, drawsOf(key)),
  };
}
