/** @file A plan under construction: its routines and their scratch memory. */
import { type Plan, type Routine, Steps, type Variable, variable } from "./language.ts";
import type { Machine } from "./machine.ts";

export class Planner {
  readonly machine: Machine;
  readonly #routines: Routine[];
  /** Scratch memory that callers use while this planner's routines run. */
  readonly #taken: number;
  readonly #scratch: { bytes: number };

  private constructor(machine: Machine, routines: Routine[], taken: number, scratch: { bytes: number }) {
    this.machine = machine;
    this.#routines = routines;
    this.#taken = taken;
    this.#scratch = scratch;
  }

  static for(machine: Machine): Planner {
    return new Planner(machine, [], 0, { bytes: 0 });
  }

  /** Asks for scratch memory, for values that do not outlive a task; returns the offset of its first byte, a multiple of 64. A routine that calls
   * others keeps its own part from them ({@link beyond}). */
  scratch(bytes: number): number {
    this.#scratch.bytes = Math.max(this.#scratch.bytes, this.#taken + bytes);
    return this.#taken;
  }

  /** The planner of routines that are called while `bytes` more of scratch memory are in use. */
  beyond(bytes: number): Planner {
    return new Planner(this.machine, this.#routines, this.#taken + Math.ceil(bytes / 64) * 64, this.#scratch);
  }

  /** Adds a routine. */
  add<const Names extends readonly string[]>(
    name: string,
    parameters: Names,
    build: (steps: Steps, ...parameters: { [K in keyof Names]: Variable }) => void,
  ): Routine {
    const variables = parameters.map(variable);
    const steps = new Steps();
    build(steps, ...(variables as { [K in keyof Names]: Variable }));
    const routine = { name, parameters: variables, body: steps.list };
    this.#routines.push(routine);
    return routine;
  }

  /** The plan; the routine added last is its entry. */
  plan(tasks: number): Plan {
    return { tasks, routines: this.#routines, scratchBytes: this.#scratch.bytes };
  }
}

/** A routine to be called for each of so many tasks. */
export interface Tasks {
  readonly tasks: number;
  readonly routine: Routine;
}
