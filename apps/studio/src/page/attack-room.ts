/** @file A model that is attacked: what was chosen, how far the attack is, what it found. */
import { type Warning, wilsonInterval } from "@gradalign/robustness";
import { type EvaluationRecord, epsilonOf, type JudgedModel, readRadius } from "@gradalign/runs";
import type { AttackCommand, AttackReport, AttackRequest, JudgedImage, ModelChoice } from "../attack-protocol.ts";
import { bounded } from "../bounded.ts";
import { mayBeRun, modelAmong } from "../files.ts";
import type { Backend } from "../sides.ts";
import { messageOf } from "./address.ts";
import { Watched } from "./watched.ts";

/** What is asked for, as it is written. */
export interface AttackForm {
  readonly attack: string;
  readonly norm: string;
  readonly epsilon: string;
  readonly count: string;
  readonly seed: string;
  /** Of a file of weights that does not tell: empty where it does. */
  readonly arch: string;
  readonly mean: string;
  readonly std: string;
}

/** The estimate after so many images. */
export interface EstimatePoint {
  readonly images: number;
  readonly robust: number;
  readonly low: number;
  readonly high: number;
}

/** All of it. */
export interface AttackState {
  readonly phase: "idle" | "running" | "stopping";
  readonly chosen: ModelChoice | null;
  readonly form: AttackForm;
  readonly problem: string | null;
  /** Of the attack that goes on or was the last. */
  readonly model: JudgedModel | null;
  readonly norm: string;
  readonly notes: readonly string[];
  readonly count: number;
  readonly images: number;
  readonly clean: number;
  readonly robust: number;
  readonly curve: readonly EstimatePoint[];
  /** Images that were broken, the newest first, not too many. */
  readonly broken: readonly JudgedImage[];
  readonly brokenInAll: number;
  readonly warnings: readonly Warning[];
  readonly fraction: number;
  readonly result: { readonly record: EvaluationRecord; readonly adversarials: Uint8Array } | null;
}

const NOTHING = {
  ...{
    problem: null,
    model: null,
    norm: "linf",
    notes: [],
    count: 0,
    images: 0,
    clean: 0,
    robust: 0,
    curve: [],
    broken: [],
    brokenInAll: 0,
    warnings: [],
    fraction: 0,
  },
  result: null,
};
/** RobustBench's radii. */
const RADII: Readonly<Record<string, string>> = { linf: "8/255", l2: "0.5", l1: "12" };
/** Points of the curve, and pictures in the gallery. */
const [MOST_POINTS, MOST_PICTURES] = [256, 24];

/** The attack, and all ways to change it. */
export class AttackRoom extends Watched<AttackState> {
  readonly #send: (command: AttackCommand) => void;
  #number = 0;

  constructor(send: (command: AttackCommand) => void) {
    const form = { attack: "pgd-50-10", norm: "linf", epsilon: RADII["linf"] as string, count: "1000", seed: "0", arch: "", mean: "", std: "" };
    super({ ...NOTHING, phase: "idle", chosen: null, form });
    this.#send = send;
  }

  /** Takes a model; files that are several are refused, and what was chosen before stays. */
  choose(chosen: ModelChoice): void {
    try {
      if (chosen.type === "files" && !mayBeRun(chosen.files)) modelAmong(chosen.files);
      this.set({ chosen, problem: null });
    } catch (error) {
      this.set({ problem: messageOf(error) });
    }
  }

  /** Says why the model that was asked for is not there. */
  refuse(problem: string): void {
    this.set({ problem });
  }

  /** Writes into the form; another norm has another usual radius. */
  write(change: Partial<AttackForm>): void {
    const { norm } = change;
    const radius = norm === undefined ? {} : { epsilon: RADII[norm] ?? "" };
    this.set({ form: { ...this.state.form, ...radius, ...change }, problem: null });
  }

  start(backend: Backend): void {
    const { chosen, phase } = this.state;
    if (phase !== "idle") return;
    try {
      if (!chosen) throw new Error("Choose a model first: drop its file, or take the left or the right network.");
      const request = requestOf(chosen, this.state.form, backend);
      this.set({ ...NOTHING, phase: "running", norm: request.norm });
      this.#send({ type: "attack", attack: ++this.#number, request });
    } catch (error) {
      this.set({ problem: messageOf(error) });
    }
  }

  stop(): void {
    if (this.state.phase !== "running") return;
    this.set({ phase: "stopping" });
    this.#send({ type: "stop-attack" });
  }

  /** What was attacked is gone. */
  leave(): void {
    this.#number++;
    this.#send({ type: "stop-attack" });
    this.set({ ...NOTHING, phase: "idle" });
  }

  receive(report: AttackReport): void {
    if (report.attack !== this.#number) return;
    switch (report.type) {
      case "attack-began":
        this.set({ model: report.model, notes: report.notes.map(inForm), count: report.count });
        break;
      case "attack-images":
        this.#count(report.images, report.fraction);
        break;
      case "attack-warning":
        this.set({ warnings: [...this.state.warnings, report.warning] });
        break;
      case "attack-ended": {
        const { record, adversarials } = report;
        const { outcomes, warnings } = record;
        const of = (holds: (outcome: (typeof outcomes)[number]) => boolean): number => outcomes.filter(holds).length;
        const found = { images: outcomes.length, clean: of(({ clean }) => clean), robust: of(({ robust }) => robust) };
        this.set({ phase: "idle", fraction: 1, result: { record, adversarials }, warnings, ...found });
        break;
      }
      case "attack-stopped":
        this.set({ phase: "idle" });
        break;
      case "attack-failed":
        this.set({ phase: "idle", problem: inForm(report.message) });
        break;
    }
  }

  #count(found: readonly JudgedImage[], fraction: number): void {
    const { images: before, clean, robust, curve, broken, brokenInAll } = this.state;
    const images = before + found.length;
    const left = robust + found.filter((image) => image.robust).length;
    const [low, high] = wilsonInterval(left, images);
    const news = found.filter(({ pixels }) => pixels !== null);
    this.set({
      ...{ images, fraction, robust: left },
      clean: clean + found.filter((image) => image.clean).length,
      curve: bounded([...curve, { images, robust: left / images, low, high }], MOST_POINTS, (point) => point.images),
      broken: [...news.toReversed(), ...broken].slice(0, MOST_PICTURES),
      brokenInAll: brokenInAll + news.length,
    });
  }
}

/** A message in the form's words: what are flags to the command are fields here. */
function inForm(message: string): string {
  return message
    .replaceAll("with --arch", "under “network”")
    .replaceAll("--arch", "network")
    .replace(/--(?=[a-z])/g, "");
}

/** Throws ConfigError, or another error in words, for what is none. */
function requestOf(model: ModelChoice, { attack, norm, epsilon, count, seed, arch, mean, std }: AttackForm, backend: Backend): AttackRequest {
  if (attack.trim() === "") throw new Error("attack must be the name of one, e.g. pgd-50-10 or autoattack.");
  const radius = readRadius(norm, epsilon, "ε");
  if (epsilonOf(radius) === 0) throw new Error("ε must be above 0: in a ball of radius 0 there is nothing but the image.");
  const whole = (name: string, text: string, least: number): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new Error(`${name} (="${text}") must be a whole number of at least ${least}.`);
    return value;
  };
  const numbers = (name: string, text: string): readonly number[] | undefined => {
    if (text.trim() === "") return undefined;
    const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    if (!values.every((value) => Number.isFinite(value) && (name === "mean" || value > 0)))
      throw new Error(`${name} (="${text}") must be numbers${name === "std" ? " above 0" : ""} with commas between, e.g. 0.49,0.48,0.45.`);
    return values;
  };
  const [means, stds] = [numbers("mean", mean), numbers("std", std)];
  return {
    ...{ model, norm, epsilon: radius, attack, backend },
    count: whole("images", count, 1),
    seed: whole("seed", seed, 0),
    ...(arch.trim() === "" ? {} : { arch: arch.trim() }),
    ...(means ? { mean: means } : {}),
    ...(stds ? { std: stds } : {}),
  };
}
