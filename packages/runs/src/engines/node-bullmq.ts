/**
 * @file BullMQ on Redis or Valkey as an engine: a job for each run, under the run's id.
 *
 * Redis only says who is to do what next. What is finished or has failed is in the runs' folder, so losing Redis loses nothing: submitting
 * again adds what is missing. Renewing a job's lock is all that this process's event loop does; runs are computed in processes of their own.
 */
import { setTimeout as delay } from "node:timers/promises";
import { GradalignError, UnsupportedError } from "@gradalign/tensor";
import type { Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { QueuedState } from "../plan/plan.ts";
import type { WorkOutcome } from "./node-attempt-run.ts";
import type { QueueAddress } from "./node-queue-address.ts";

/** Name of the queue, the same for all plans: jobs are told apart by their runs' ids. */
const QUEUE = "gradalign";
/** Milliseconds until a run that failed is tried again. */
const BACKOFF_MS = 1000;
/** Milliseconds until a run is tried again that could not be gone on with through no fault of its own: a full disk, another worker. */
const LATER_MS = 15_000;
/** Milliseconds between looks for runs that were cancelled, and for whether anything is left. */
const LOOK_MS = 250;
/** Marks a run in its job's data, and is why it ends there. */
const CANCELLED = "cancelled";
/** Milliseconds that are waited for a Redis that does not answer. */
const CONNECT_MS = 10_000;

/** What a run in the queue is about: its id decides which folder, the rest is checked by whoever performs it. */
export interface QueuedRun {
  readonly id: string;
}

/** A run's state in the queue. */
export interface QueueState {
  readonly state: Exclude<QueuedState, "missing">;
  /** Why it failed last, if it did. */
  readonly reason: string | undefined;
}

/** How {@link RunQueue.work} works. */
export interface WorkOptions {
  /** Runs at a time. */
  readonly jobs: number;
  /** Seconds without a sign of life after which a worker counts as gone. */
  readonly patience: number;
  /** Whether to leave when nothing waits or runs any more. */
  readonly drain: boolean;
  readonly signal: AbortSignal;
  /** Does a run, given what was queued, until its end or the signal, which it is aborted by when the run is cancelled; never throws. */
  readonly perform: (run: unknown, cancelled: AbortSignal) => Promise<WorkOutcome>;
  readonly note: (text: string) => void;
}

/** A queue of runs. */
export interface RunQueue {
  /** Adds runs; of those that are in the queue already, one that counts as completed there is added anew, and one that was cancelled goes on. */
  add(runs: readonly QueuedRun[]): Promise<void>;
  /** The states of runs that are in the queue. */
  states(ids: readonly string[]): Promise<Map<string, QueueState>>;
  /** Takes runs out; a worker that has one is told, and leaves it with a checkpoint. */
  cancel(ids: readonly string[]): Promise<void>;
  /** Lets failed runs be tried again. */
  retry(ids: readonly string[]): Promise<void>;
  /** Works until the signal, or, with `drain`, until nothing is left. */
  work(options: WorkOptions): Promise<void>;
  close(): Promise<void>;
}

/** How a queue is opened. */
export interface QueueOptions {
  /** Whether to wait for a Redis that is not there, as workers do. */
  readonly persistent: boolean;
  readonly signal?: AbortSignal;
  /** Told of broken connections. */
  readonly note: (text: string) => void;
}

/**
 * Opens the queue.
 *
 * @throws UnsupportedError when the packages are not installed; GradalignError when Redis cannot be reached or refuses.
 */
export async function openQueue(address: QueueAddress, { persistent, signal: stop, note }: QueueOptions): Promise<RunQueue> {
  const { bullmq, ioredis } = await packages();
  const { host, port, db, tls, username, password, shown, redact } = address;
  const connection: Redis = new ioredis.Redis({
    ...{ host, port, db, lazyConnect: true, maxRetriesPerRequest: null },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
    retryStrategy: (times) => Math.min(100 * times, 2000),
  });
  let told = "";
  /** Connections break and come back: each trouble is told once. */
  const tell = (error: Error): void => {
    const text = redact(error.message || ((error as NodeJS.ErrnoException).code ?? "the connection broke"));
    if (text !== told) note(`queue ${shown}: ${text}`);
    told = text;
  };
  // Who does not wait is told by the error that it ends with.
  if (persistent) connection.on("error", tell);
  connection.on("ready", () => {
    told = "";
  });
  await reach(connection, persistent, stop, address);
  if (!persistent) connection.on("error", tell);
  await requireNewEnough(connection, address);
  const queue = new bullmq.Queue(QUEUE, { connection });
  queue.on("error", tell);
  /** What Redis refuses, as an error that says where. */
  const ask = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      throw new GradalignError("EngineError", `queue ${shown}: ${redact((error as Error).message)}; see the server's configuration`);
    }
  };
  const forEachJob = async (ids: readonly string[], work: (job: Job) => Promise<void>): Promise<void> => {
    const one = async (id: string): Promise<void> => {
      const job = await queue.getJob(id);
      if (job) await work(job);
    };
    await ask(Promise.all(ids.map(one)));
  };

  return {
    async add(runs) {
      const wanted = new Map(runs.map((run) => [run.id, run]));
      await forEachJob([...wanted.keys()], async (job) => {
        if (await job.isCompleted()) await job.remove();
        else if (isCancelled(job)) await job.updateData(wanted.get(String(job.id)));
      });
      const jobs = runs.map((run) => ({
        name: "run",
        data: run,
        // How often a run may fail is counted in its folder.
        opts: {
          jobId: run.id,
          attempts: Number.MAX_SAFE_INTEGER,
          backoff: { type: "fixed", delay: BACKOFF_MS },
          removeOnComplete: false,
          removeOnFail: false,
        },
      }));
      await ask(queue.addBulk(jobs));
    },
    async states(ids) {
      const states = new Map<string, QueueState>();
      await forEachJob(ids, async (job) => {
        const state = await job.getState();
        const known = state === "active" || state === "completed" || state === "failed" ? state : "waiting";
        states.set(String(job.id), { state: known, reason: job.failedReason === undefined ? undefined : redact(job.failedReason) });
      });
      return states;
    },
    cancel: (ids) =>
      forEachJob(ids, async (job) => {
        if (await job.isCompleted()) return;
        try {
          await job.remove();
        } catch {
          // A worker has it, or has finished it this moment.
          if (await job.isActive()) await job.updateData({ ...job.data, [CANCELLED]: true });
        }
      }),
    retry: (ids) =>
      forEachJob(ids, async (job) => {
        if (await job.isFailed()) await job.retry("failed");
      }),
    async work({ jobs, patience, drain, signal, perform, note: say }) {
      /** What stops the runs that this worker has, by their jobs' ids. */
      const stops = new Map<string, AbortController>();
      const process = async (job: Job, token = ""): Promise<null> => {
        if (isCancelled(job)) throw new bullmq.UnrecoverableError(CANCELLED);
        const [id, stop] = [String(job.id), new AbortController()];
        stops.set(id, stop);
        const outcome = await perform(job.data, stop.signal).finally(() => stops.delete(id));
        switch (outcome.kind) {
          case "done":
            say(`${id}: finished`);
            return null;
          case "stopped": {
            // Unless it was submitted again meanwhile.
            const now = stop.signal.aborted ? await queue.getJob(id) : undefined;
            if (now && isCancelled(now)) throw new bullmq.UnrecoverableError(CANCELLED);
            // Where the lock was lost meanwhile, another has the job already.
            await job.moveToWait(token).catch(() => {});
            throw new bullmq.WaitingError();
          }
          case "later":
            say(`${id}: ${outcome.message}; trying again in ${LATER_MS / 1000} s`);
            await job.moveToDelayed(Date.now() + LATER_MS, token).catch(() => {});
            throw new bullmq.DelayedError();
          case "failed":
            say(`${id}: ${outcome.message.split("\n")[0]}; ${outcome.final ? "given up" : "trying again"}`);
            throw outcome.final ? new bullmq.UnrecoverableError(outcome.message) : new Error(outcome.message);
        }
      };
      const worker: Worker = new bullmq.Worker(QUEUE, process, {
        ...{ connection, concurrency: jobs, lockDuration: patience * 1000, stalledInterval: patience * 1000 },
        // However often machines are lost, a run is not to blame.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
      });
      worker.on("error", tell);
      worker.on("stalled", (id) => say(`${id}: its worker gives no sign of life; another goes on`));
      /** Stops what was cancelled; whether anything waits or runs. */
      const look = async (): Promise<boolean> => {
        for (const [id, stop] of stops) {
          const job = await queue.getJob(id);
          if (!job || !isCancelled(job) || stop.signal.aborted) continue;
          say(`${id}: it was cancelled; writing a checkpoint`);
          stop.abort(new Error(`${id} was cancelled`));
        }
        const counts = drain ? await queue.getJobCounts("waiting", "active", "delayed", "prioritized") : {};
        return !drain || Object.values(counts).some((number) => number > 0);
      };
      try {
        let [isLeft, isLooking] = [true, false];
        const looked = async (): Promise<void> => {
          isLooking = true;
          isLeft = await look().catch(() => true);
          isLooking = false;
        };
        while (isLeft && !signal.aborted) {
          // While Redis is away, one look waits for it.
          if (!isLooking) void looked();
          await delay(LOOK_MS, undefined, { signal }).catch(() => {});
        }
      } finally {
        // Waits for the runs that were told to stop; giving them back needs Redis, which may be away.
        const closed = worker.close().then(
          () => true,
          () => true,
        );
        if (!(await Promise.race([closed, away(connection)]))) await Promise.race([worker.close(true).catch(() => {}), delay(1000)]);
      }
    },
    async close() {
      connection.off("error", tell);
      connection.on("error", () => {});
      await Promise.race([queue.close().catch(() => {}), delay(1000)]);
      connection.disconnect();
    },
  };
}

/** Whether a run is not wanted any more; what is in a job may have been put there by anybody. */
function isCancelled({ data }: Job): boolean {
  return typeof data === "object" && data !== null && CANCELLED in data;
}

/** Resolves when Redis is away and stays away. */
async function away(connection: Redis): Promise<false> {
  for (let missing = 0; missing < 5; ) {
    await delay(1000, undefined, { ref: false });
    missing = connection.status === "ready" ? 0 : missing + 1;
  }
  return false;
}

/** Waits until Redis answers; for ever if it is only not there and the caller is persistent. */
async function reach(connection: Redis, persistent: boolean, signal: AbortSignal | undefined, { shown, redact }: QueueAddress): Promise<void> {
  let problem = "";
  const remember = (error: Error): void => {
    problem = redact(error.message || ((error as NodeJS.ErrnoException).code ?? "it does not answer"));
  };
  connection.on("error", remember);
  // Why it fails is told as an event, and it is tried again.
  connection.connect().catch(() => {});
  const limit = Date.now() + CONNECT_MS;
  for (;;) {
    await delay(20);
    // No waiting helps against a wrong password or database, or a certificate that nobody vouches for.
    const untrusted = /certificate|altnames/i.test(problem);
    const refused = untrusted || /WRONGPASS|NOAUTH|NOPERM|invalid password|DB index/i.test(problem);
    if (connection.status === "ready" && !refused) break;
    if (signal?.aborted || refused || (!persistent && (problem !== "" || Date.now() > limit))) {
      connection.disconnect();
      signal?.throwIfAborted();
      const remedy = untrusted ? "name the authority that signed it with NODE_EXTRA_CA_CERTS" : "start Redis there, or correct the address or password";
      throw new GradalignError("EngineError", `queue ${shown}: ${problem || "it does not answer"}; ${remedy}`);
    }
  }
  connection.off("error", remember);
}

/** Redis as it must be at least; Valkey, which went on from it, names the version that it stands for. */
const OLDEST = [6, 2] as const;

async function requireNewEnough(connection: Redis, { shown }: QueueAddress): Promise<void> {
  // Whoever may not ask is told why not when the first run is added.
  const info = await connection.info("server").catch(() => "");
  const [, version, major, minor] = /^redis_version:((\d+)\.(\d+)\S*)/m.exec(info) ?? [];
  if (version === undefined || Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1])) return;
  connection.disconnect();
  throw new GradalignError("EngineError", `queue ${shown}: Redis ${version} is too old; use ${OLDEST.join(".")} or newer, or Valkey`);
}

async function packages() {
  try {
    return { bullmq: await import("bullmq"), ioredis: await import("ioredis") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UnsupportedError("--engine bullmq needs two packages that are not installed; run: npm install bullmq@6 ioredis", { cause: error });
  }
}
