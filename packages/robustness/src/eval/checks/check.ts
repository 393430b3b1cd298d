/**
 * @file What a check is: it looks for something that makes a robust accuracy doubtful, on a few images before the attacks, or in what the
 * attacks did. docs/evaluation-checks.md has a heading for each.
 */
import type { NamedAttack } from "../../attacks/plan.ts";
import type { Victim } from "../../attacks/victim.ts";
import type { Threat } from "../../threat/threat.ts";
import type { Passes } from "../oracle.ts";
import type { Rung } from "./ladder.ts";
import type { Probe } from "./probe.ts";

/** Something that makes a number doubtful. */
export interface Warning {
  /** Which check: a heading of docs/evaluation-checks.md. */
  readonly id: string;
  /** What was seen, in a sentence with numbers. */
  readonly seen: string;
  /** On how many images, and of how many; absent where it is not about images. */
  readonly images?: number;
  readonly of?: number;
}

/** What a check found. */
export type Finding = Omit<Warning, "id">;

/** What is evaluated, and how. */
export interface Evaluated {
  readonly victim: Victim;
  readonly attacks: readonly NamedAttack[];
  readonly threat: Threat;
  /** Radius in the threat's units. */
  readonly epsilon: number;
  /** How many images. */
  readonly n: number;
  readonly probe: Probe;
}

/** What became of an image. */
export interface Fate {
  readonly clean: boolean;
  readonly robust: boolean;
  readonly finite: boolean;
}

/** What an attack of the list did. */
export interface Stage {
  readonly attack: string;
  readonly attacked: number;
  readonly broken: number;
  readonly passes: Passes;
}

/** Gradients of an image that said nothing, where its answer was still right. */
export interface BlindGradients {
  readonly index: number;
  /** How many were zero in every pixel. */
  readonly zero: number;
  /** How many were NaN or infinite in some. */
  readonly notFinite: number;
}

/** Those of an attack of the list; an image may be there several times. */
export interface BlindStage {
  readonly attack: string;
  readonly images: readonly BlindGradients[];
}

/** What the attacks did. */
export interface Aftermath extends Evaluated {
  readonly stages: readonly Stage[];
  readonly blind: readonly BlindStage[];
  readonly images: readonly Fate[];
  /** What growing radii leave of images that nothing broke. */
  readonly ladder: readonly Rung[];
}

/** A check: one file, one line in the registry. Same victim, images and seed, same finding; null if there is nothing to tell. */
export interface Check {
  readonly id: string;
  /** Whether it is about answers to the images as they are, too, and so asked where nothing attacks. */
  readonly ofAnswers?: boolean;
  before?(evaluated: Evaluated): Promise<Finding | null> | Finding | null;
  after?(aftermath: Aftermath): Finding | null;
}
