/** @file Ctrl-C, a closed terminal and their kin: the first asks training to stop in order, the second ends the process at once. */

/** A signal that asks the process to end. */
export type StopSignal = keyof typeof EXIT_CODE_OF_SIGNAL;

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
export const EXIT_CODE_OF_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const SIGNALS = Object.keys(EXIT_CODE_OF_SIGNAL) as StopSignal[];

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
    for (const name of SIGNALS) process.off(name, handler);
  };
  for (const name of SIGNALS) process.on(name, handler);
  return { signal: controller.signal, received: () => received, release };
}
