/** @file The forms of an evaluation's files, for what is read back: it may have been damaged, or written by somebody else. */
import { z } from "zod";

const count = z.int().min(0);
const name = z.string().max(1000);
/** JSON has no number for what is not finite; it writes null. */
const measured = z.number().or(z.null().transform(() => Number.NaN));
const share = z.number().min(0).max(1);
const optional = <Schema extends z.ZodType>(schema: Schema) => z.exactOptional(schema);
const plain = z.union([z.string().max(10_000), z.number(), z.boolean(), z.null()]);
const options = z.record(name, z.union([name, z.number(), z.boolean()]));
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hexadecimal");

const passes = z.strictObject({ forward: count, backward: count });
const selection = z.enum(["success", "highest-loss"]);
const fraction = z.strictObject({ numerator: count, denominator: count.min(1) });
const channels = z.array(z.number()).max(1000);

const outcome = {
  index: count,
  label: count,
  target: optional(count),
  clean: z.boolean(),
  robust: z.boolean(),
  brokenBy: name.nullable(),
  run: count.nullable(),
  norm: measured,
  loss: measured,
  predicted: count,
  finite: z.boolean(),
};

const model = z.strictObject({
  file: name,
  format: z.enum(["run", "pytorch", "safetensors", "onnx"]),
  sha256,
  architecture: z.record(name, z.union([plain, z.array(plain).max(100)])).nullable(),
  parameters: count,
  normalization: z.strictObject({ mean: channels, std: channels }).nullable(),
  batchNorm: z.enum(["running", "none"]),
  checkpoint: optional(z.strictObject({ which: name, iteration: count })),
});

const data = z.strictObject({
  name,
  split: z.literal("test"),
  fingerprint: name,
  classNames: z.array(name).max(100_000),
  first: count,
  count: count.min(1),
});

const decided = {
  format: z.literal(1),
  arithmetic: z.record(name, name),
  model,
  data,
  threat: z.strictObject({ norm: name, epsilon: fraction }),
  attack: name,
  selection,
  targets: optional(z.union([z.enum(["next", "least-likely"]), count])),
  seed: count,
};

/** `identity.json`: what decides the outcome. */
export const identityForm = z.strictObject({
  ...decided,
  version: name,
  attacks: z.array(z.strictObject({ attack: name, options })).max(1000),
});

/** A part in `parts.jsonl`, and the checksums of its pixels and of all lines up to this one. */
export const partForm = z.strictObject({
  part: z.strictObject({
    stage: count.nullable(),
    images: z.array(z.strictObject({ ...outcome, rounds: count, broken: z.boolean() })),
    blind: optional(z.array(z.strictObject({ index: count, zero: count, notFinite: count }))),
    passes,
    seconds: z.number().min(0),
  }),
  pixels: sha256,
  sum: sha256,
});

/** `evaluation.json`: a finished evaluation. */
export const recordForm = z.strictObject({
  ...decided,
  id: sha256,
  written: name,
  code: z.strictObject({ version: name, commit: name.nullable() }),
  machine: z.strictObject({ node: name, backend: name, threads: count, processor: name }),
  cleanAccuracy: share,
  robustAccuracy: share,
  cleanConfidence95: z.tuple([share, share]),
  confidence95: z.tuple([share, share]),
  stages: z.array(z.strictObject({ attack: name, paper: name, options, attacked: count, broken: count, passes, seconds: z.number().min(0) })).max(1000),
  passes,
  seconds: z.number().min(0),
  warnings: z.array(z.strictObject({ id: name, seen: z.string().max(10_000), images: optional(count), of: optional(count) })).max(1000),
  checkPasses: passes,
  curve: z.array(z.strictObject({ epsilon: z.number().min(0), accuracy: share, attack: name })).max(10_000),
  outcomes: z.array(z.strictObject(outcome)).min(1),
  adversarials: sha256,
  digest: sha256,
});
