/**
 * @file An attack, compiled for a classifier: how it begins, steps and ends as programs that the host calls, with all tensors staying on the
 * device.
 *
 * The classifier sees x + delta as the attack made it; what an attack leaves is projected once more, to the box and then to the ball, so
 * that delta's norm, taken in exact arithmetic, is at most epsilon, and x + delta, in float32, lies in [0, 1].
 */
import { add, type Computed, type Concrete, foldIn, jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { type Attack, type AttackOptions, type AttackSite, type AttackState, checkThreat, type Moment } from "../attacks/attack.ts";
import type { VictimTensors } from "../attacks/victim.ts";
import { boxDelta } from "../threat/box.ts";
import type { Threat } from "../threat/threat.ts";
import { type Blind, type Passes, traceOracle } from "./oracle.ts";
import type { ClassifierPrograms } from "./programs.ts";

/** Images under attack, a row each. */
export type AttackRows = {
  /** float32 [N, C, H, W] in [0, 1]. */
  readonly x: Value;
  /** int32 [N]. */
  readonly labels: Value;
  /** The class each is to reach, of targeted attacks: int32 [N]. */
  readonly target: Value;
  /** The run's randomness, a key each: int32 [N, 2]. */
  readonly keys: Value;
};

/** {@link AttackRows} in memory. */
export type RowTensors = Computed<AttackRows>;

/** An attack's state in memory. */
export type StateTensors = Computed<AttackState>;

/** An attack with its options, ready to run on batches of any size. */
export interface AttackProgram {
  readonly attack: Attack;
  readonly options: AttackOptions;
  begin(tensors: VictimTensors, rows: RowTensors, moment: Moment): StateTensors;
  /** Takes the state over: its tensors cannot be used afterwards. */
  step(tensors: VictimTensors, rows: RowTensors, state: StateTensors, moment: Moment): StateTensors;
  /** The perturbation that counts, in the ball and the box: [N, C, H, W]. The state stays. */
  end(tensors: VictimTensors, rows: RowTensors, state: StateTensors, moment: Moment): Tensor;
  /** How many gradients of each image were blind so far: float32 [N]; undefined if the program does not count them. */
  blind(state: StateTensors): Computed<Blind> | undefined;
  /** Passes over each image of a part's last call. */
  passes(part: AttackPart): Passes;
}

/** The programs of an attack. */
export type AttackPart = "begin" | "step" | "end";

/** What varies from call to call: inputs of the programs. */
interface Inputs {
  readonly epsilon: Value;
  readonly iteration: Value;
  readonly schedule: Readonly<Record<string, Value>>;
}

type Begin = [VictimTensors, AttackRows, Inputs];
type Step = [VictimTensors, AttackRows, AttackState, Inputs];
type End = [...Step, Value];

/** Keys of the classifier's own randomness and of the attack's never meet. */
const CLASSIFIER: Readonly<Record<AttackPart, number>> = { begin: 1 << 28, step: (1 << 28) + 1, end: (1 << 28) + 2 };

/** Where a state has counts beside what the attack carries: no attack's own names begin so. */
const COUNTED = { zero: "blind: zero", notFinite: "blind: not finite" } as const;

/**
 * Prepares an attack on a compiled classifier. Programs live as long as the classifier's. With `counting` they count blind gradients beside what
 * they compute, which changes no bit of it. With `aimed` only the target counts as a wrong answer.
 *
 * @throws ConfigError for an attack that is not defined in the threat model.
 */
export function attackProgram(
  programs: ClassifierPrograms,
  attack: Attack,
  options: AttackOptions,
  threat: Threat,
  { counting = false, aimed = false } = {},
): AttackProgram {
  checkThreat(attack, threat);
  const { classifier, device } = programs;
  const counted: Record<AttackPart, Passes> = { begin: NO_PASSES, step: NO_PASSES, end: NO_PASSES };
  const traced = (part: AttackPart, tensors: VictimTensors, rows: AttackRows, inputs: Inputs, use: (site: AttackSite) => AttackState | Value) => {
    const keys = foldIn(foldIn(rows.keys, CLASSIFIER[part]), inputs.iteration);
    const { oracle, passes, blind } = traceOracle({ classifier, device, tensors, x: rows.x, labels: rows.labels, goal: aimed ? rows.target : undefined, keys });
    const result = use({ ...rows, ...inputs, victim: oracle, threat });
    counted[part] = passes;
    return { result, blind: blind() };
  };
  const stateOf = ({ result, blind }: ReturnType<typeof traced>, before?: AttackState): AttackState => {
    const state = result as AttackState;
    if (!counting) return state;
    const sum = (name: keyof Blind): Value => (before ? add(before[COUNTED[name]] as Value, blind[name]) : blind[name]);
    return { ...state, [COUNTED.zero]: sum("zero"), [COUNTED.notFinite]: sum("notFinite") };
  };
  // An option that is 0 is as good as none: attacks that do not have it share the step.
  const structure = (attack.structural ?? Object.keys(options)).filter((name) => options[name] !== undefined && options[name] !== 0);
  const shape = JSON.stringify(structure.map((name) => [name, options[name]]));
  const all = JSON.stringify(options);
  const kind = `${threat.name}${counting ? ", counting" : ""}${aimed ? ", aimed" : ""}`;

  const begin = programs.once(attack.init, `${kind} ${all}`, () => {
    const program = jit((...[tensors, rows, inputs]: Begin) => stateOf(traced("begin", tensors, rows, inputs, (site) => attack.init(site, options))), {
      device,
      batchInvariant: true,
    });
    return Object.assign(program, { passes: () => counted.begin });
  });
  const step = programs.once(attack.step, `${kind} ${shape}`, () => {
    const program = jit(
      (...[tensors, rows, state, inputs]: Step) =>
        stateOf(
          traced("step", tensors, rows, inputs, (site) => attack.step(site, state, options)),
          state,
        ),
      { device, batchInvariant: true, donate: [2] },
    );
    return Object.assign(program, { passes: () => counted.step });
  });
  const end = programs.once(attack.finish, `${threat.name} ${all}`, () => {
    const program = jit(
      (...[tensors, rows, state, inputs, limit]: End): Value => {
        const { result } = traced("end", tensors, rows, inputs, (site) => attack.finish(site, state, options));
        return threat.project(boxDelta(rows.x, result as Value), limit);
      },
      { device, batchInvariant: true },
    );
    return Object.assign(program, { passes: () => counted.end });
  });

  /** Calls a program with the moment's inputs. */
  const at = <Result>(moment: Moment, call: (inputs: Concrete<Inputs>) => Result): Result => {
    const iteration = tensor(moment.iteration, [], "int32");
    try {
      return call({ epsilon: moment.epsilon, iteration, schedule: attack.schedule?.(options, moment) ?? {} });
    } finally {
      iteration.dispose();
    }
  };
  return {
    attack,
    options,
    begin: (tensors, rows, moment) => at(moment, (inputs) => begin(tensors, rows, inputs)),
    step: (tensors, rows, state, moment) => at(moment, (inputs) => step(tensors, rows, state, inputs)),
    end: (tensors, rows, state, moment) => at(moment, (inputs) => end(tensors, rows, state, inputs, floorFloat32(moment.epsilon))),
    blind(state) {
      const { [COUNTED.zero]: zero, [COUNTED.notFinite]: notFinite } = state;
      return zero && notFinite && { zero, notFinite };
    },
    passes: (part) => ({ begin, step, end })[part].passes(),
  };
}

const NO_PASSES: Passes = { forward: 0, backward: 0 };

/** The largest float32 that is not above a number of at least 0. */
export function floorFloat32(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  if (Math.fround(value) > value) (bits[0] as number)--;
  return new Float32Array(bits.buffer)[0] as number;
}
