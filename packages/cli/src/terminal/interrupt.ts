/** @file Ctrl-C and its kin: the first asks training to stop in order, the second ends the process at once. */

/** A signal that asks the process to end. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** Listening for requests to stop. */
export interface Interrupt {
  /** Aborted by the first request. */
  readonly signal: AbortSignal;
  /** Which request came, if any. */
  received(): StopSignal | undefined;
  /** Stops listening. */
  release(): void;
}

/** Exit codes by shell convention: 128 plus the signal's number. */
export const EXIT_CODE_OF_SIGNAL: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** Starts to listen. After the first request the default action is back, so that a second one ends the process. */
export function listenForInterrupt(onRequest: (signal: StopSignal) => void): Interrupt {
  const controller = new AbortController();
  let received: StopSignal | undefined;
  const handler = (name: NodeJS.Signals) => {
    received = name as StopSignal;
    release();
    onRequest(received);
    controller.abort(new Error(`stopped by ${name}`));
  };
  const release = () => {
    process.off("SIGINT", handler);
    process.off("SIGTERM", handler);
  };
  process.on("SIGINT", handler);
  process.on("SIGTERM", handler);
  return { signal: controller.signal, received: () => received, release };
}
