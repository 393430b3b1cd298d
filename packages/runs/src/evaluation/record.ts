/** @file What an evaluation leaves: what was judged, how, what became of every image, and what a reader must know to trust it. */
import type { Arithmetic, AttackStage, ImageOutcome, Passes, RadiusAccuracy, Selection, TargetRule, Warning } from "@gradalign/robustness";
import type { Fraction } from "./fraction.ts";

export type { Fraction } from "./fraction.ts";

/** The classifier, so that it can be found again. */
export interface JudgedModel {
  /** Name of the file or run folder, without the folders it lies in. */
  readonly file: string;
  readonly format: "run" | "pytorch" | "safetensors" | "onnx";
  /** Of the file's bytes; of a run, of its checkpoint's tensors. */
  readonly sha256: string;
  /** The network as `--arch` takes it, with its options, e.g. `preact-resnet18` with width 16; null for an ONNX graph. */
  readonly architecture: Readonly<Record<string, unknown>> | null;
  readonly parameters: number;
  /** What images are normalised with inside the victim, per channel; null where nothing or the graph does it. */
  readonly normalization: { readonly mean: readonly number[]; readonly std: readonly number[] } | null;
  /** Which statistics batch norm used; `none` without batch norm. */
  readonly batchNorm: "running" | "none";
  /** Of a run: which checkpoint, and of which iteration. */
  readonly checkpoint?: { readonly which: string; readonly iteration: number };
}

/** The images. */
export interface JudgedData {
  readonly name: string;
  readonly split: "test";
  /** Fingerprint of the whole data set. */
  readonly fingerprint: string;
  readonly classNames: readonly string[];
  /** Image numbers, which their random numbers depend on: first, first + 1, … */
  readonly first: number;
  readonly count: number;
}

/** A finished evaluation. Everything but `machine`, `written`, and the seconds is the same whenever it is computed again. */
export interface EvaluationRecord {
  readonly format: 1;
  /** Hash of all that decides the outcome: model, data, images, threat, attacks, seed, arithmetic, version. */
  readonly id: string;
  /** When it was finished, ISO 8601. */
  readonly written: string;
  readonly code: { readonly version: string; readonly commit: string | null };
  readonly machine: { readonly node: string; readonly backend: string; readonly threads: number; readonly processor: string };
  readonly arithmetic: Arithmetic;
  readonly model: JudgedModel;
  readonly data: JudgedData;
  readonly threat: { readonly norm: string; readonly epsilon: Fraction };
  /** The attack as it was asked for, e.g. `autoattack`. */
  readonly attack: string;
  readonly selection: Selection;
  /** Which class each image had to be taken for; absent where any wrong one would do. */
  readonly targets?: TargetRule;
  readonly seed: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  /** Wilson's 95 % intervals. */
  readonly cleanConfidence95: readonly [low: number, high: number];
  readonly confidence95: readonly [low: number, high: number];
  /** In order, all attacks of the list; empty for `none`. */
  readonly stages: readonly AttackStage[];
  readonly passes: Passes;
  readonly seconds: number;
  readonly warnings: readonly Warning[];
  /** Passes of the checks that look for them; not among `passes`. */
  readonly checkPasses: Passes;
  /** Points of the accuracy-against-radius curve that were computed; may be empty. */
  readonly curve: readonly RadiusAccuracy[];
  /** What became of each image, in order. */
  readonly outcomes: readonly ImageOutcome[];
  /** SHA-256 of `adversarials.safetensors`: the images that were broken. */
  readonly adversarials: string;
  /** SHA-256 of all that is the same whenever it is computed: two evaluations of equal digests found the same, and an edited record has another. */
  readonly digest: string;
}

/** What decides the outcome of an evaluation: written down before it begins, compared when it goes on. */
export interface EvaluationIdentity
  extends Pick<EvaluationRecord, "format" | "arithmetic" | "model" | "data" | "threat" | "attack" | "selection" | "targets" | "seed"> {
  readonly version: string;
  readonly attacks: readonly Pick<AttackStage, "attack" | "options">[];
}

/** The identity of what a record is of. */
export function identityOfRecord(record: EvaluationRecord): EvaluationIdentity {
  const { format, arithmetic, model, data, threat, attack, selection, targets, seed, code, stages } = record;
  const attacks = stages.map(({ attack: id, options }) => ({ attack: id, options }));
  return { format, version: code.version, arithmetic, model, data, threat, attack, attacks, selection, ...(targets === undefined ? {} : { targets }), seed };
}
