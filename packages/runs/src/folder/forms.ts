/** @file The forms of a run folder's files. JSON of another form is an error of the one place where the file is read. */

import { checkTrainConfig, type TrainConfig } from "@gradalign/robustness";
import { ConfigError } from "@gradalign/tensor";
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

/** `config.json`: the settings of a run. The rules are those of the options' own declarations. */
export const trainConfigForm = z.custom<TrainConfig>().superRefine((value, context) => {
  try {
    checkTrainConfig(value);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    context.addIssue(error.message.replace(/^config: /, ""));
  }
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
  attack_alignment: optional(z.number().nullable()),
  fallen_losses: optional(share.nullable()),
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
  /** What the guard remembers; of kind `last`. */
  guard: optional(
    z.object({
      alarm: z.object({ aligned: z.number() }),
      next: count,
      alarms: z.array(z.object({ iteration: count, evidence: z.string(), restored: count.nullable() })),
      kept: z.array(count),
    }),
  ),
  /** How far `metrics.jsonl` reached; of kind `last`. */
  metrics: optional(z.object({ bytes: count, sha256: z.string() })),
});
