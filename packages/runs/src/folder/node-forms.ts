/** @file The forms of a run folder's files. JSON of another form is an error of the one place where the file is read. */

import { methods } from "@gradalign/robustness";
import { z } from "zod";

const count = z.int().min(0);
/** JSON has no number for what is not finite; it writes null. */
const measured = z.number().or(z.null().transform(() => Number.NaN));
/** A fraction of images. */
const share = z
  .number()
  .min(0)
  .max(1)
  .or(z.null().transform(() => Number.NaN));
const optional = <Schema extends z.ZodType>(schema: Schema) => z.exactOptional(schema);

const method = z.strictObject({
  name: z.enum(Object.keys(methods) as (keyof typeof methods)[]),
  stepSize: optional(z.number()),
  steps: optional(count),
  start: optional(z.enum(["zero", "random"])),
  lambda: optional(z.number()),
  mu: optional(z.number()),
  branches: optional(z.enum(["one", "both"])),
  adversary: optional(z.enum(["fgsm", "none"])),
  replays: optional(count),
  warmupEpochs: optional(z.number()),
});

const optimizer = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("sgd"), momentum: z.number(), weightDecay: z.number() }),
  z.strictObject({ name: z.literal("adam"), beta1: z.number(), beta2: z.number(), epsilon: z.number(), weightDecay: z.number() }),
]);

/** `config.json`: the settings of a run. */
export const trainConfigForm = z.strictObject({
  dataset: z.string(),
  model: z.strictObject({ name: z.string(), filters: optional(count), width: optional(count) }),
  method,
  epsilon: z.number(),
  epochs: count,
  batchSize: count,
  trainSize: count.nullable(),
  validationSize: optional(count),
  seed: count,
  optimizer,
  schedule: z.strictObject({ name: z.enum(["cyclic", "piecewise"]), peak: z.number() }),
  augment: z.strictObject({ crop: count, flip: z.boolean() }),
  evalEvery: count,
  evalExamples: count,
});

/** A line of `metrics.jsonl`: one evaluation. */
export const evaluationForm = z.looseObject({
  iteration: count,
  epoch: z.number(),
  lr: z.number(),
  train_loss: measured,
  train_reg: measured,
  train_acc: share,
  train_pgd_acc: share,
  validation_pgd_acc: optional(share),
  test_clean_acc: share,
  test_fgsm_acc: share,
  test_pgd_acc: share,
  test_fgsm_loss: measured,
  test_pgd_loss: measured,
  gradient_alignment: z.number().nullable(),
  undefined_alignment: share,
  cos_fgsm_pgd: z.number().nullable(),
  delta_l2: measured,
  non_finite: share,
  seconds: z.number(),
  skipped_steps: optional(count),
  filter_norms: optional(z.array(measured)),
  outgoing_norms: optional(z.array(measured)),
});

/** What a checkpoint's manifest says of its run. */
export const runRecordForm = z.object({
  config: trainConfigForm,
  data: z.object({ fingerprint: z.string().nullable(), classNames: z.array(z.string()), shape: z.array(count), train: count, test: count }),
  arithmetic: z.array(z.record(z.string(), z.string())).min(1),
  best: z.object({ iteration: count, train_pgd_acc: optional(z.number()), validation_pgd_acc: optional(z.number()) }).nullable(),
  seconds: z.number(),
  /** How far `metrics.jsonl` reached; of kind `last`. */
  metrics: optional(z.object({ bytes: count, sha256: z.string() })),
});
