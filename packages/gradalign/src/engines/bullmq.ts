/** @file BullMQ on Redis as an engine: `gradalign work` takes the runs. */
import { isCancelled, openQueue, queueAddress, type RunQueue, readSubmission, submittedPlans } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { remark } from "../terminal/context.ts";
import type { Engine, EngineOptions } from "./engine.ts";

/** The engine. */
export const bullmq: Engine = {
  help: "a queue in Redis, from which gradalign work takes runs on any machine",
  check({ queue, tracked }) {
    queueAddress(queue, process.env);
    if (tracked !== undefined) {
      throw new ConfigError(`--track (="${tracked}") must be left out with --engine bullmq; give it to gradalign work, which trains and sends`);
    }
  },
  submit: (_, pending, options, context) =>
    withQueue(
      options,
      (text) => remark(context, text),
      async (queue) => {
        await queue.add(pending);
        // Those that failed before are there already; a run that is given up is refused by its worker until its failures are forgotten.
        await queue.retry(pending.map(({ id }) => id));
        return [];
      },
    ),
  cancel: ({ id: cancelled, runs }, _, options) => {
    // A run that another plan wants as well goes on.
    const others = submittedPlans(options.runs).filter(
      (plan) => plan.id !== cancelled && !isCancelled(options.runs, plan) && readSubmission(options.runs, plan)?.engine === "bullmq",
    );
    const wanted = new Set(others.flatMap((plan) => plan.runs.map(({ id }) => id)));
    const ids = runs.flatMap(({ id }) => (wanted.has(id) ? [] : [id]));
    return withQueue(
      options,
      () => {},
      (queue) => queue.cancel(ids),
    );
  },
};

/** Opens the queue for some work. */
export async function withQueue<T>(
  { queue: flag }: Pick<EngineOptions, "queue">,
  note: (text: string) => void,
  work: (queue: RunQueue) => Promise<T>,
): Promise<T> {
  const queue = await openQueue(queueAddress(flag, process.env), { persistent: false, note });
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}
