/** @file The measurements taken during training, on the first few hundred training and test images. */
import { type Device, jit, type Tensor, type Value } from "@gradalign/tensor";
import { fgsm } from "../attacks/fgsm.ts";
import { attackOptions } from "../attacks/options.ts";
import { pgd } from "../attacks/pgd.ts";
import { type ImageDataset, takeLast } from "../data/dataset.ts";
import type { ImageSource } from "../data/source.ts";
import { filterNorms, outgoingNorms } from "../diagnostics/norms.ts";
import { alignmentRunner, type Measured, measured } from "../eval/evaluate-alignment.ts";
import { disposeBatch, type ExampleBatch, evaluationBatch, exampleBatches } from "../eval/examples.ts";
import { countZeros, Mean } from "../eval/mean.ts";
import { modelPrograms, type Scored } from "../eval/programs.ts";
import { type AttackResult, type AttackRunner, attackRunner } from "../eval/run-attack.ts";
import { keyFor } from "../keys.ts";
import type { Model } from "../models/model.ts";
import type { Params } from "../nn/params.ts";
import { l2 } from "../threat/l2.ts";
import { linf } from "../threat/linf.ts";
import type { TrainConfig } from "./config.ts";
import type { Evaluation } from "./events.ts";
import type { AttackSigns } from "./watched.ts";

/** The part of an {@link Evaluation} that is measured on fixed images. */
export type Measurements = Omit<Evaluation, "iteration" | "epoch" | "lr" | "train_loss" | "train_reg" | "train_acc" | "seconds" | keyof AttackSigns>;

/** Measures a model again and again on the same images with the same random numbers, so that only the model's change shows. */
export interface Evaluator {
  /** `pause` is awaited between steps, and gives the evaluation up by rejecting. */
  evaluate(params: Params, state: Params, pause: () => Promise<void>): Promise<Measurements>;
  /** Accuracies under FGSM and PGD on the first batch of training images. */
  probe(params: Params, state: Params): Promise<{ readonly fgsm: number; readonly pgd: number }>;
  dispose(): void;
}

/** The iterated attack of these measurements, as `parseAttack` reads it. */
export const EVALUATION_PGD = `pgd-${attackOptions(pgd).steps}`;

/** As many as training's batches usually have; with micro-batches no more than those. */
const MAX_BATCH = 128;

/** Prepares the evaluation a run's settings ask for. */
export async function createEvaluator(model: Model, config: TrainConfig, dataset: ImageDataset, device: Device, workers?: number): Promise<Evaluator> {
  const { epsilon, seed } = config;
  const programs = modelPrograms(model, device);
  const attackers = {
    fgsm: attackRunner(programs, fgsm, attackOptions(fgsm), linf),
    pgd: attackRunner(programs, pgd, attackOptions(pgd), linf),
  };
  const aligner = alignmentRunner(programs, epsilon, seed, device);
  const similarity = jit((a: Value, b: Value) => ({ ...measured(a, b), norm: l2.distance(a) }), { device });
  const weights = model.name === "cnn" ? cnnNorms(model, device) : null;

  const batchesOf = (source: ImageSource, most = config.evalExamples): Promise<ExampleBatch[]> => {
    const total = Math.min(most, source.count);
    return exampleBatches(source, dataset.shape, Math.min(evaluationBatch(dataset.shape, config.microBatch ?? MAX_BATCH), MAX_BATCH, total), total, workers);
  };
  const held = config.validationSize ?? 0;
  const splits = {
    train: await batchesOf(dataset.train),
    test: await batchesOf(dataset.test),
    validation: held > 0 ? await batchesOf(takeLast(dataset.train, held), held) : [],
  };
  const how = (part: 0 | 1 | 2, pause: () => Promise<void>) => ({ epsilon, keyOf: (index: number) => keyFor(seed, "evaluation", index, part), pause });

  return {
    async probe(params, state) {
      const batch = splits.train[0] as ExampleBatch;
      const accuracy = async (attacker: AttackRunner): Promise<number> => {
        const mean = new Mean();
        const result = await attacker.run(
          { tensors: { params, state }, ...batch },
          how(0, async () => {}),
        );
        await mean.add(result.correct, batch.count);
        disposeResult(result);
        return mean.value;
      };
      return { fgsm: await accuracy(attackers.fgsm), pgd: await accuracy(attackers.pgd) };
    },
    async evaluate(params, state, pause) {
      const tensors = { params, state };
      const pgdAccuracy = async (batches: readonly ExampleBatch[], part: 0 | 2): Promise<number> => {
        const accuracy = new Mean();
        for (const batch of batches) {
          const result = await attackers.pgd.run({ tensors, ...batch }, how(part, pause));
          await accuracy.add(result.correct, batch.count);
          disposeResult(result);
        }
        return accuracy.value;
      };
      const bothAttacks = async (batch: ExampleBatch): Promise<readonly [single: AttackResult, iterated: AttackResult]> => {
        const single = await attackers.fgsm.run({ tensors, ...batch }, how(1, pause));
        try {
          return [single, await attackers.pgd.run({ tensors, ...batch }, how(1, pause))];
        } catch (stopped) {
          disposeResult(single);
          throw stopped;
        }
      };
      const trainPgd = await pgdAccuracy(splits.train, 0);
      const test = { clean: new Mean(), fgsm: new Mean(), fgsmLoss: new Mean(), pgd: new Mean(), pgdLoss: new Mean() };
      const [aligned, agreement, size] = [new Mean(), new Mean(), new Mean()];
      const broken = { images: 0, of: 0 };
      for (const [number, batch] of splits.test.entries()) {
        const { count } = batch;
        const [single, iterated] = await bothAttacks(batch);
        const clean: Scored = programs.score(tensors, batch.x, batch.labels);
        const cosines = aligner.run({ tensors, ...batch }, number);
        const { norm, ...between } = similarity(single.delta, iterated.delta) as Measured & { norm: Tensor };
        await test.clean.add(clean.correct, count);
        await test.fgsm.add(single.correct, count);
        await test.fgsmLoss.add(single.losses, count);
        await test.pgd.add(iterated.correct, count);
        await test.pgdLoss.add(iterated.losses, count);
        await aligned.add(cosines.cosine, count, cosines.defined);
        await agreement.add(between.cosine, count, between.defined);
        await size.add(norm, count);
        broken.images += await countZeros(count, clean.finite, single.finite, iterated.finite);
        broken.of += count;
        for (const result of [clean, single, iterated, cosines, between, { norm }]) disposeResult(result);
      }
      return {
        train_pgd_acc: trainPgd,
        ...(held > 0 ? { validation_pgd_acc: await pgdAccuracy(splits.validation, 2) } : {}),
        test_clean_acc: test.clean.value,
        test_fgsm_acc: test.fgsm.value,
        test_pgd_acc: test.pgd.value,
        test_fgsm_loss: test.fgsmLoss.value,
        test_pgd_loss: test.pgdLoss.value,
        gradient_alignment: nullIfUndefined(aligned),
        undefined_alignment: aligned.leftOut,
        cos_fgsm_pgd: nullIfUndefined(agreement),
        delta_l2: size.value,
        non_finite: broken.images / broken.of,
        ...(weights ? await weights.of(params) : {}),
      };
    },
    dispose() {
      programs.dispose();
      for (const program of [attackers.fgsm, attackers.pgd, aligner, similarity]) program.dispose();
      weights?.dispose();
      for (const batch of Object.values(splits).flat()) disposeBatch(batch);
    },
  };
}

type Norms = Pick<Evaluation, "filter_norms" | "outgoing_norms">;

function cnnNorms(model: Model, device: Device): { of(params: Params): Promise<Norms>; dispose(): void } {
  const filters = model.config["filters"] as number;
  const norms = jit((conv: Value, linear: Value) => ({ filter: filterNorms(conv), outgoing: outgoingNorms(linear, filters) }), { device });
  const of = async (params: Params): Promise<Norms> => {
    const { filter, outgoing } = norms(params["_model.0.weight"] as Value, params["_model.3.weight"] as Value) as { filter: Tensor; outgoing: Tensor };
    const result = { filter_norms: [...(await filter.read())], outgoing_norms: [...(await outgoing.read())] };
    filter.dispose();
    outgoing.dispose();
    return result;
  };
  return { of, dispose: () => norms.dispose() };
}

function nullIfUndefined({ value }: Mean): number | null {
  return Number.isNaN(value) ? null : value;
}

function disposeResult(result: object): void {
  for (const value of Object.values(result)) value.dispose();
}
