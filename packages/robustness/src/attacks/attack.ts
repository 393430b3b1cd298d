/**
 * @file What an attack is: a small state per image, how it begins, how it moves and what it leaves. The same definition is unrolled inside a
 * compiled training step (`unrollAttack`) and looped over from the host at evaluation (`eval/attack-program.ts`), where many
 * steps would make a large program.
 *
 * Whoever runs an attack projects what it leaves to the ball and the box, judges it by a forward pass and measures its norm; an
 * attack can neither leave the ball nor claim a success.
 */
import { ConfigError, type DataArray, type Operand, type Value } from "@gradalign/tensor";
import type { Option, OptionValue } from "../options/option.ts";
import type { Threat } from "../threat/threat.ts";

/** The least an attack needs of a classifier: where the loss rises. */
export interface Slope {
  /** Each example's gradient at a point with respect to the point, of a loss that rises with the error. */
  ascent(point: Value): Value;
}

/** Logits, a loss of each example [N], and the gradient of their sum at a point [N, C, H, W]. */
export interface Differentiated {
  readonly logits: Value;
  readonly losses: Value;
  readonly gradient: Value;
}

/** A classifier inside an attack's step. Each call is a pass, which whoever runs the attack counts. */
export interface Oracle extends Slope {
  readonly classes: number;
  logits(point: Value): Value;
  /** Where an answer is what the adversary wants, a wrong class or the one it has to be: bool [N]. */
  fooled(logits: Value): Value;
  /** The gradient of one loss, by a forward and a backward pass. */
  gradient(point: Value, loss: (logits: Value) => Value): Differentiated;
  /** The gradients of several losses, by one forward pass and a backward pass each. */
  gradients(
    point: Value,
    losses: (logits: Value) => readonly Value[],
  ): { readonly logits: Value; readonly losses: readonly Value[]; readonly gradients: readonly Value[] };
}

/** The images under attack, what the adversary may do to them, and where in the attack this is. */
export interface AttackSite<Asked extends Slope = Oracle> {
  readonly victim: Asked;
  /** Images [N, C, H, W] in [0, 1]. */
  readonly x: Value;
  /** True classes: int32 [N]. */
  readonly labels: Value;
  /** The class to reach, of attacks that are targeted: int32 [N]. */
  readonly target: Value;
  readonly threat: Threat;
  /** Radius of the ball. */
  readonly epsilon: Operand;
  /** Randomness of this run: a key per image, int32 [N, 2], or one for all, int32 [2]. */
  readonly keys: Value;
  /** The step's number, from 0; `foldIn(keys, iteration)` is this step's own randomness. */
  readonly iteration: Operand;
  /** What the attack's {@link Attack.schedule} says about this step. */
  readonly schedule: Readonly<Record<string, Value | number>>;
}

/** Settings of an attack by name. */
export type AttackOptions = Readonly<Record<string, OptionValue>>;

/** What an attack carries from step to step: tensors, the images' axis first. */
export type AttackState = Readonly<Record<string, Value>>;

/** Where in an attack a step is, on the host. */
export interface Moment {
  /** The run's number, from 0: attacks are begun anew for every restart and every target. */
  readonly run: number;
  readonly iteration: number;
  /** Radius of the ball. */
  readonly epsilon: number;
  /** An image's shape [C, H, W]. */
  readonly shape: readonly number[];
  readonly threat: Threat;
}

/** Of several runs the first counts that fools the classifier, or, as in the paper, the one with the highest loss, per image. */
export type Selection = "success" | "highest-loss";

/** An attack: one file, one line in the registry. */
export interface Attack<Options extends AttackOptions = AttackOptions, State extends AttackState = AttackState, Asked extends Slope = Oracle> {
  readonly id: string;
  /** Where it comes from. */
  readonly paper: string;
  /** What it does, in a line, without a full stop: for help and tables, which registered attacks are in. */
  readonly help?: string;
  /** What can be set, with defaults. */
  readonly options: { readonly [Name in keyof Options]: Option };
  /** Names of the threat models it is defined in; all unless set. */
  readonly threats?: readonly string[];
  /** Options that numbers in its name give, in order, e.g. pgd-50-10: the first is needed. */
  readonly numbers?: readonly string[];
  /** How it chooses between its runs unless told otherwise; by success unless set. */
  readonly selection?: Selection;
  /** Whether it aims at a class: one after another, the second most likely first, or the one that is asked for. */
  readonly targeted?: boolean;
  /** Fewest classes that its loss is defined for, from 3; with fewer it climbs the margin of the logits. */
  readonly fewestClasses?: number;
  /** Names of the options that shape the compiled step; all unless set. Attacks with one `step` share programs where these are equal. */
  readonly structural?: readonly string[];
  /** How many steps it takes. */
  steps(options: Options): number;
  /** How many times it is begun anew, for instance for restarts or targets; once unless set. */
  runs?(options: Options, classes: number): number;
  /** How the classes that runs aim at are ranked: by the clean logits, unless set, or by the distance of their boundaries. */
  order?(options: Options): "confidence" | "malt";
  /** The class of which rank a run aims at: 1 is the most likely after the label; `run + 1` unless set. */
  rank?(options: Options, run: number): number;
  /** Numbers, or tables as flat arrays, that vary from step to step; inputs of the compiled step, so that one program serves every step and radius. */
  schedule?(options: Options, moment: Moment): Readonly<Record<string, number | DataArray>>;
  /** The state before the first step. */
  init(site: AttackSite<Asked>, options: Options): State;
  /** The state after a step. */
  step(site: AttackSite<Asked>, state: State, options: Options): State;
  /** The perturbation that counts: [N, C, H, W]. */
  finish(site: AttackSite<Asked>, state: State, options: Options): Value;
  /** The leaf of the state, float32 [N], that is 1 where the state holds an adversarial example: such images need not be attacked further. */
  readonly found?: string;
}

/**
 * Refuses an attack in a threat model it is not defined in.
 *
 * @throws ConfigError
 */
export function checkThreat({ id, threats }: Pick<Attack, "id" | "threats">, threat: Threat): void {
  if (threats && !threats.includes(threat.name)) {
    throw new ConfigError(
      `attack: ${id} is defined in the threat model ${threats.join(", ")} only, got ${threat.name}; use another attack there, e.g. apgd-ce`,
    );
  }
}
