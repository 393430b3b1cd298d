/**
 * @file MLflow's REST interface, version 2.0: a run of MLflow for a run folder, numbers in batches.
 *
 * Before the MLflow run is created its name is kept in the run's folder and set as a tag, so that a run that goes on finds it, whenever the
 * process was killed; the numbers that MLflow has already are asked for and not sent again. The server's troubles are this file's alone: the
 * numbers wait in memory, are tried again at growing intervals, and the training knows nothing of it.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfThere, writeFileAtomic } from "@gradalign/robustness/node";
import { ConfigError, GradalignError } from "@gradalign/tensor";
import { TRACKER_NOTES } from "../folder/node-notes.ts";
import { describeSettings } from "../settings/describe.ts";
import { redactor } from "../words/redact.ts";
import type { Metric, Tracker, TrackerOptions } from "./tracker.ts";

/** MLflow's own limits for a batch. */
const [MOST_METRICS, MOST_PARAMS] = [1000, 100];
interface Times {
  readonly request: number;
  readonly first: number;
  readonly last: number;
  readonly end: number;
}
/** Milliseconds that a request may take, that the first repetition waits and the last, and that the end of a run waits for the server. */
const TIMES: Times = { request: 10_000, first: 500, last: 30_000, end: 10_000 };
const EXPERIMENT = "gradalign";
const TAG = "gradalign.run";

/** Variables that may hold a secret; the names are MLflow's own. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens it; nothing is sent before the run starts.
 *
 * @throws ConfigError when the target is no address, or holds a password.
 */
export function mlflow({ run, target, note }: TrackerOptions, environment: Environment = process.env, times: Partial<Times> = {}): Tracker {
  const address = mlflowAddress(target, environment);
  const limits: Times = { ...TIMES, ...times };
  const redact = redactor([environment["MLFLOW_TRACKING_TOKEN"], environment["MLFLOW_TRACKING_PASSWORD"]]);
  const giveUp = new AbortController();
  const waiting: Metric[] = [];
  let ending: "finished" | "interrupted" | "failed" | undefined;
  let wake = (): void => {};
  let told = false;
  let loop: Promise<void> | undefined;

  const call = async (method: "GET" | "POST", path: string, body: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const query = method === "GET" ? `?${new URLSearchParams(body as Record<string, string>)}` : "";
    const response = await fetch(`${address}/api/2.0/mlflow/${path}${query}`, {
      method,
      headers: { "content-type": "application/json", ...authorization(environment) },
      ...(method === "POST" ? { body: JSON.stringify(body) } : {}),
      redirect: "error",
      signal: AbortSignal.any([giveUp.signal, AbortSignal.timeout(limits.request)]),
    });
    const text = await response.text();
    if (response.ok) return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    throw new Refusal(response.status, text.slice(0, 200).replace(/\s+/g, " "));
  };
  /** Repeats what fails until it works; refusals that no waiting helps against end it. */
  const persist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let wait = limits.first; ; wait = Math.min(2 * wait, limits.last)) {
      try {
        return await work();
      } catch (error) {
        const lasting = error instanceof Refusal && error.status < 500 && error.status !== 429 && error.status !== 408;
        if (!told && !giveUp.signal.aborted) note(`mlflow: ${redact(reasonOf(error))}; the run goes on${lasting ? " without it" : ", and it is tried again"}`);
        told = true;
        if (lasting || giveUp.signal.aborted) throw error;
        await delay(wait, undefined, { signal: giveUp.signal, ref: false });
      }
    }
  };
  const work = async (): Promise<void> => {
    const id = await persist(() => runOf(call, run, nameOf(run.folder)));
    const known = await persist(async () => latestSteps(await call("GET", "runs/get", { run_id: id })));
    await persist(() => call("POST", "runs/update", { run_id: id, status: "RUNNING" }));
    for (;;) {
      if (waiting.length === 0) {
        if (ending !== undefined) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const batch = waiting.slice(0, MOST_METRICS);
      const fresh = batch.filter(({ name, step }) => step > (known.get(name) ?? -1));
      const metrics = fresh.map(({ name, value, step }) => ({ key: name, value, step, timestamp: Date.now() }));
      if (metrics.length > 0) await persist(() => call("POST", "runs/log-batch", { run_id: id, metrics }));
      for (const { name, step } of fresh) known.set(name, Math.max(step, known.get(name) ?? -1));
      waiting.splice(0, batch.length);
    }
    const status = { finished: "FINISHED", interrupted: "KILLED", failed: "FAILED" }[ending];
    await persist(() => call("POST", "runs/update", { run_id: id, status, end_time: Date.now() }));
  };
  return {
    start(_, earlier) {
      // Those that arrived before are not sent again.
      waiting.push(...earlier);
      loop ??= work().catch(() => {});
    },
    send(metrics) {
      waiting.push(...metrics);
      wake();
    },
    async close(end) {
      ending = end;
      wake();
      const timer = setTimeout(() => giveUp.abort(), limits.end);
      await loop;
      clearTimeout(timer);
      if (waiting.length > 0) note(`mlflow: ${waiting.length} numbers did not arrive; they are in the run's folder`);
    },
  };
}

/** What the server says no with. */
class Refusal extends GradalignError {
  readonly status: number;
  constructor(status: number, text: string) {
    super("TrackerError", `the server answers ${status}${text === "" ? "" : `: ${text}`}`);
    this.status = status;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message} (${(cause as NodeJS.ErrnoException).code ?? cause.message})` : error.message;
}

/**
 * The server's address: the target, else that of the environment.
 *
 * @throws ConfigError when it is no address, or holds a password.
 */
export function mlflowAddress(target: string | undefined, environment: Environment = process.env): string {
  const text = target ?? environment["MLFLOW_TRACKING_URI"];
  const message = "--track mlflow=<url> must be the server's address, e.g. mlflow=http://tracking.example:5000; or set MLFLOW_TRACKING_URI";
  if (text === undefined || !URL.canParse(text)) throw new ConfigError(message);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new ConfigError(message);
  if (url.username !== "" || url.password !== "") {
    throw new ConfigError("--track mlflow=<url> must not hold a password, which everybody sees; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function authorization(environment: Environment): Record<string, string> {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = environment;
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  return user === undefined ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}` };
}

/** The name under which the folder's run is found again. */
function nameOf(folder: string): string {
  const file = join(folder, TRACKER_NOTES.mlflow);
  const known = readIfThere(file)?.toString();
  if (known !== undefined) return (JSON.parse(known) as { readonly run: string }).run;
  const name = randomUUID();
  writeFileAtomic(file, `${JSON.stringify({ run: name })}\n`);
  return name;
}

type Call = (method: "GET" | "POST", path: string, body: Record<string, unknown>) => Promise<Record<string, unknown>>;

/** The run of MLflow, made if there is none. */
async function runOf(call: Call, { label, config }: TrackerOptions["run"], name: string): Promise<string> {
  const experiment = await experimentOf(call);
  const found = await call("POST", "runs/search", { experiment_ids: [experiment], filter: `tags.\`${TAG}\` = '${name}'`, max_results: 1 });
  const [known] = (found["runs"] ?? []) as readonly {
    readonly info: { readonly run_id: string };
    readonly data?: { readonly params?: readonly unknown[] };
  }[];
  const id = known?.info.run_id ?? (await created(call, experiment, label, name));
  // A process that made the run may have been killed before it sent them.
  if ((known?.data?.params ?? []).length > 0) return id;
  const params = describeSettings(config).map(([key, value]) => ({ key, value }));
  for (let i = 0; i < params.length; i += MOST_PARAMS) await call("POST", "runs/log-batch", { run_id: id, params: params.slice(i, i + MOST_PARAMS) });
  return id;
}

async function created(call: Call, experiment: string, label: string, name: string): Promise<string> {
  const tags = [
    { key: TAG, value: name },
    { key: "mlflow.runName", value: label },
  ];
  const made = (await call("POST", "runs/create", { experiment_id: experiment, run_name: label, start_time: Date.now(), tags })) as {
    readonly run: { readonly info: { readonly run_id: string } };
  };
  return made.run.info.run_id;
}

async function experimentOf(call: Call): Promise<string> {
  try {
    const { experiment } = (await call("GET", "experiments/get-by-name", { experiment_name: EXPERIMENT })) as {
      readonly experiment: { readonly experiment_id: string };
    };
    return experiment.experiment_id;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 404) throw error;
    return String((await call("POST", "experiments/create", { name: EXPERIMENT }))["experiment_id"]);
  }
}

/** The newest step that MLflow has of each number. */
function latestSteps(answer: Record<string, unknown>): Map<string, number> {
  const { run } = answer as { readonly run?: { readonly data?: { readonly metrics?: readonly { readonly key: string; readonly step?: number | string }[] } } };
  return new Map((run?.data?.metrics ?? []).map(({ key, step = 0 }) => [key, Number(step)]));
}
