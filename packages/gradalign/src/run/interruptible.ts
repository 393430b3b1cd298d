/** @file Work that Ctrl-C stops in order: what training commands have in common. */
import { type Context, remark } from "../terminal/context.ts";
import { EXIT_CODE_OF_SIGNAL, listenForInterrupt } from "../terminal/interrupt.ts";
import type { TrainingView } from "../terminal/training-view.ts";

/** Runs `work` with a signal that the first Ctrl-C aborts; afterwards the view is finished and the exit code tells of the interruption. */
export async function interruptible(context: Context, view: TrainingView, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupt = listenForInterrupt((signal) => view.note(`${signal}: finishing the step and writing a checkpoint; once more to exit at once`));
  try {
    await work(interrupt.signal);
  } catch (error) {
    // Stopped before training began: nothing is lost, nothing to resume.
    if (error !== interrupt.signal.reason) throw error;
    remark(context, "stopped");
  } finally {
    view.finish();
    interrupt.release();
    const stopped = interrupt.received();
    if (stopped) context.exitCode = EXIT_CODE_OF_SIGNAL[stopped];
  }
}
