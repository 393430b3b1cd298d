/** @file What a file that was exported from here says of its network, so that it opens again without being told anything. */
import { FormatError, type JsonValue, parseJson, shown } from "@gradalign/formats";
import { ConfigError } from "@gradalign/tensor";
import { type Architecture, architectureOf, parseArchitecture, writeArchitecture } from "../models/architecture.ts";
import { createModel } from "../models/index.ts";
import type { Model } from "../models/model.ts";

/** What a network does to its images first: x becomes (x - mean) / std, per channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A network as a file's metadata describe it. */
export interface DescribedModel {
  readonly architecture: Architecture;
  readonly classes: number;
  readonly shape: readonly [number, number, number];
  /** Null where the network takes images as they are. */
  readonly normalization: Normalization | null;
}

const ARCHITECTURE = "gradalign.architecture";
const CLASSES = "gradalign.classes";
const SHAPE = "gradalign.shape";
const NORMALIZATION = "gradalign.normalization";

/** A built-in model and its normalisation as strings for a file's metadata. */
export function describeModelFor(model: Model, normalization: Normalization | null): Record<string, string> {
  const { classes, shape } = model.config;
  return {
    [ARCHITECTURE]: writeArchitecture(architectureOf(model)),
    [CLASSES]: JSON.stringify(classes),
    [SHAPE]: JSON.stringify(shape),
    [NORMALIZATION]: JSON.stringify(normalization),
  };
}

/**
 * The network that metadata describe; undefined where they do not.
 *
 * @throws FormatError (damaged) for a description that cannot be used.
 */
export function describedModel(metadata: Readonly<Record<string, string>>): DescribedModel | undefined {
  const text = metadata[ARCHITECTURE];
  if (text === undefined) return undefined;
  const value = (key: string): JsonValue => {
    try {
      return parseJson(new TextEncoder().encode(metadata[key] ?? "")) as JsonValue;
    } catch (error) {
      throw damaged(key, metadata[key], error);
    }
  };
  try {
    const architecture = parseArchitecture(text, ARCHITECTURE);
    const [classes, shape] = [value(CLASSES) as number, value(SHAPE) as unknown as [number, number, number]];
    // Checks classes and shape too.
    createModel({ name: architecture.name, ...architecture.options }, { classes, shape });
    return { architecture, classes, shape, normalization: normalizationOf(value(NORMALIZATION), metadata[NORMALIZATION]) };
  } catch (error) {
    if (error instanceof ConfigError) throw new FormatError("damaged", `its metadata describe no network: ${error.message}`, { cause: error });
    throw error;
  }
}

function normalizationOf(value: JsonValue, text: string | undefined): Normalization | null {
  if (value === null) return null;
  const isNumbers = (list: unknown): list is number[] => Array.isArray(list) && list.length > 0 && list.every((entry) => Number.isFinite(entry));
  const { mean, std } = value as { readonly mean?: unknown; readonly std?: unknown };
  if (!isNumbers(mean) || !isNumbers(std)) throw damaged(NORMALIZATION, text);
  return { mean, std };
}

function damaged(key: string, text: string | undefined, cause?: unknown): FormatError {
  return new FormatError("damaged", `its metadata's ${key} (=${shown(text ?? null)}) cannot be read`, { cause });
}
