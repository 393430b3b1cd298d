/** @file What goes wrong on a GPU. It is known later than it happens, and the first failure is the cause of the others. */
import type { GradalignError } from "../../base/errors.ts";

export class Failures {
  #first: GradalignError | null = null;
  /** Resolves at the first failure. A lost GPU may leave questions unanswered, so every wait also waits for this. */
  readonly #failed: Promise<void>;
  #tellFailed: () => void = () => {};
  /** Questions to the GPU whose answers may be failures. */
  readonly #watched = new Set<Promise<void>>();

  constructor() {
    this.#failed = new Promise((resolve) => {
      this.#tellFailed = resolve;
    });
  }

  get any(): boolean {
    return this.#first !== null;
  }

  /** Throws the first failure, if there was one. */
  check(): void {
    if (this.#first) throw this.#first;
  }

  add(error: GradalignError): void {
    this.#first ??= error;
    this.#tellFailed();
  }

  /** Waits for something on the GPU, or for a failure. */
  async wait<T>(event: Promise<T> | undefined): Promise<T | undefined> {
    return (await Promise.race([event, this.#failed])) ?? undefined;
  }

  /** Fails later if what is asked of the GPU says so. */
  watch<T>(question: Promise<T>, verdict: (answer: T) => GradalignError | null | Promise<GradalignError>): void {
    const watching: Promise<void> = question
      .then(async (answer) => {
        const error = await verdict(answer);
        if (error) this.add(error);
      })
      // A lost device answers no questions; that it is lost is told elsewhere.
      .catch(() => {})
      .finally(() => this.#watched.delete(watching));
    this.#watched.add(watching);
  }

  /** Resolves when all that is asked by now is answered. */
  answered(): Promise<unknown> {
    return Promise.all(this.#watched);
  }
}
