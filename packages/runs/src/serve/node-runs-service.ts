/** @file What the server answers about runs, and what it does for whoever has its token. */
import { timingSafeEqual } from "node:crypto";
import { realpathSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Evaluation } from "@gradalign/robustness";
import { ConfigError, GradalignError } from "@gradalign/tensor";
import { z } from "zod";
import type { WorkOutcome } from "../engines/node-attempt-run.ts";
import { forgiveFailures } from "../folder/node-attempts.ts";
import { askToStop } from "../folder/node-stop.ts";
import { savedSafetensors } from "../models/model-export.ts";
import { loadSavedModel } from "../models/node-saved-model.ts";
import { noteSubmission } from "../plan/node-plan-status.ts";
import type { Plan } from "../plan/plan.ts";
import { HEADERS, readBody, refuse, sendJson } from "./node-http.ts";
import { type Change, type KnownRun, type Planned, runIndex } from "./node-run-index.ts";
import { type QueuedRun, studioQueue } from "./node-run-queue.ts";
import { evaluationsIn, logIn } from "./node-run-summary.ts";
import { oneAtATime } from "./node-turns.ts";
import { watchFolders } from "./node-watch.ts";
import { type EvaluationsAnswer, type RunsMessage, type RunsRequest, type StartAnswer, TOKEN_HEADER } from "./protocol.ts";

/** How runs are started here. */
export interface RunStarter {
  /** Whoever sends it may start runs. */
  readonly token: string;
  /** The folder that new runs are written to, one of those that are served. */
  readonly runs: string;
  /** Names of data sets that can be trained on here. */
  readonly datasets: readonly string[];
  readonly jobs: number;
  /** Computes a planned run in a process of its own, as workers do; stops with a checkpoint when the signal is aborted. */
  perform(planned: Planned, signal: AbortSignal): Promise<WorkOutcome>;
  /** Goes on with the run in a folder, as `gradalign train --resume` does. */
  resume(folder: string, signal: AbortSignal): Promise<WorkOutcome>;
  /** The runs that settings, as they are written, stand for; @throws ConfigError for what they may not be. */
  plan(settings: Readonly<Record<string, string>>): Promise<Plan>;
}

/** What is served. */
export interface RunsOptions {
  readonly folders: readonly string[];
  /** Null where runs are only looked at. */
  readonly starter: RunStarter | null;
  /** What exports models, for their metadata. */
  readonly code: { readonly version: string; readonly commit: string | null };
}

/** The runs of some folders, as long as a server serves them. */
export interface RunsService {
  /** Answers a request below `/runs/`. */
  answer(request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams): Promise<void>;
  /** Stops what was started here, and waits until it has. */
  close(): Promise<void>;
}

const requestForm = z.discriminatedUnion("action", [
  z.object({ action: z.literal("start"), settings: z.custom<Readonly<Record<string, string>>>(isSettings) }),
  z.object({ action: z.enum(["stop", "resume"]), run: z.string() }),
]);
/** Lines of a log that are shown. */
const MOST_LINES = 500;
/** Runs that are told at once. */
const TOLD_AT_ONCE = 100;

/** Begins to watch the folders. */
export function runsService({ folders, starter, code }: RunsOptions): RunsService {
  const index = runIndex(folders, (key) => queue?.entries.some((entry) => entry.key === key && entry.state !== "waiting") ?? false);
  const pages = new Set<ServerResponse>();
  const told = new Map<string, string>();
  let isLooking = true;
  const send = (to: Iterable<ServerResponse>, message: RunsMessage): void => {
    const text = `data: ${JSON.stringify(message)}\n\n`;
    for (const page of to) page.write(text);
  };
  /** Tells what is no list of changes, if it is not what was told before. */
  const tell = (message: RunsMessage): void => {
    const text = JSON.stringify(message);
    if (told.get(message.type) === text) return;
    told.set(message.type, text);
    send(pages, message);
  };
  const queueMessage = (): RunsMessage => {
    const entries = queue?.entries ?? [];
    const queued = new Set(entries.map(({ key }) => key));
    const free = (keys: Iterable<string>): string[] => (starter ? [...keys].filter((key) => !queued.has(key)) : []);
    const stoppable = free(index.runs.keys()).filter(isStoppable);
    const resumable = free(new Set([...index.planned.keys(), ...index.runs.keys()])).filter((key) => toResume(key) !== null);
    return { type: "queue", queue: entries, datasets: starter?.datasets ?? null, stoppable, resumable };
  };
  const tellAll = (): void => {
    tell({ type: "plans", plans: index.plans });
    tell(queueMessage());
    tell({ type: "remarks", remarks: [...index.remarks, ...(queue?.problems ?? [])], isLooking });
  };
  const tellRuns = ({ changed, removed }: Change): void => send(pages, { type: "runs", all: false, changed, removed });
  const look = oneAtATime(async () => {
    await index.look(tellRuns);
    await watch.follow(index.folders);
    isLooking = false;
    tellAll();
  });
  // Where nobody looks, a page that comes is told what there is then.
  const watch = watchFolders(async () => {
    if (pages.size > 0) await look();
  });
  const queue = starter
    ? studioQueue(starter.jobs, () => {
        tellAll();
        watch.touch();
      })
    : null;

  /** Whether it is a run that is trained in its place, by whichever process, and not for a plan. */
  const isPlain = (key: string, run: KnownRun | undefined): run is KnownRun => run !== undefined && run.found.attempt === null && !index.planned.has(key);
  const isStoppable = (key: string): boolean => {
    const run = index.runs.get(key);
    return isPlain(key, run) && run.summary.state === "running";
  };
  /** What goes on with a run; null where nothing does. */
  const toResume = (key: string): QueuedRun | null => {
    const [run, planned] = [index.runs.get(key), index.planned.get(key)];
    if (!starter) return null;
    if (isPlain(key, run)) {
      const { folder, name } = run.found;
      return ["stopped", "failed"].includes(run.summary.state) ? { key, label: name, work: (signal) => starter.resume(folder, signal) } : null;
    }
    return planned && planned.run.data !== "made-up" && !isOver(run) ? queued(key, planned, starter) : null;
  };

  tellAll();
  void look();

  const events = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    // A page that finds the server gone asks again a second later.
    response.write("retry: 1000\n\n");
    const known = [...index.runs.values()].map(({ summary }) => summary);
    for (let first = 0; first === 0 || first < known.length; first += TOLD_AT_ONCE) {
      send([response], { type: "runs", all: first === 0, changed: known.slice(first, first + TOLD_AT_ONCE), removed: [] });
    }
    for (const text of told.values()) response.write(`data: ${text}\n\n`);
    pages.add(response);
    request.on("close", () => pages.delete(response));
    void look();
  };

  const act = async (asked: RunsRequest, own: RunStarter): Promise<StartAnswer | null> => {
    let answer: StartAnswer | null = null;
    if (asked.action === "start") {
      const plan = await own.plan(asked.settings);
      noteSubmission(own.runs, plan, { engine: "studio", jobs: [] });
      await look();
      const folder = realpathSync(own.runs);
      const runs = plan.runs.map((run) => queued(index.keyOf(folder, run.id) ?? run.id, { runs: folder, run }, own));
      const waiting = new Set(queue?.entries.map(({ key }) => key));
      const isThere = ({ key }: QueuedRun): boolean => waiting.has(key) || isOver(index.runs.get(key));
      queue?.add(runs.filter((run) => !isThere(run)));
      const there = runs.filter(isThere).map(({ label }) => label);
      answer = { queued: runs.length - there.length, there };
    } else if (asked.action === "stop") {
      if (queue?.stop(asked.run)) return null;
      const run = index.runs.get(asked.run);
      if (!run || !isStoppable(asked.run)) throw new ConfigError("the run is not in this server's queue, or does not train; stop it where it was started");
      askToStop(run.found.folder);
    } else if (asked.action === "resume") {
      await look();
      const run = toResume(asked.run);
      if (!run) throw new ConfigError("there is nothing to go on with: the run has ended, or another process has it");
      const planned = index.planned.get(asked.run);
      if (planned) forgiveFailures(planned.runs, planned.run.id);
      queue?.add([run]);
    }
    await look();
    return answer;
  };

  return {
    async answer(request, response, path, query) {
      const { method } = request;
      if (path === "/runs/do") {
        if (method !== "POST") return refuse(response, 405, "only POST is answered here", { Allow: "POST" });
        if (!starter) return refuse(response, 403, "this server shows runs and starts none");
        if (!isToken(request.headers[TOKEN_HEADER], starter.token)) {
          return refuse(response, 403, "the token is missing or another server's: open the address that gradalign studio printed when it was started last");
        }
        const asked = requestForm.safeParse(await readBody(request));
        if (!asked.success) return refuse(response, 400, "this is no request to start, stop or resume a run");
        try {
          return sendJson(response, (await act(asked.data, starter)) ?? {});
        } catch (error) {
          return refuse(response, error instanceof GradalignError ? 400 : 500, (error as Error).message);
        }
      }
      if (method !== "GET" && method !== "HEAD") return refuse(response, 405, "only GET and HEAD are answered", { Allow: "GET, HEAD" });
      if (path === "/runs/events" && method === "GET") return events(request, response);
      const key = query.get("run") ?? "";
      const run = index.runs.get(key);
      if (path === "/runs/evaluations" && run) {
        return sendJson(response, evaluationsOf(evaluationsIn(run.found), Number(query.get("from")), Number(query.get("after"))));
      }
      if (path === "/runs/log" && (run || index.planned.has(key))) return sendJson(response, run ? logIn(run.found).slice(-MOST_LINES) : []);
      const which = query.get("which");
      if (path === "/runs/model" && run && (which === "last" || which === "best")) return sendModel(response, run, which);
      refuse(response, 404, "not found");
    },
    async close() {
      await queue?.close();
      watch.close();
      for (const page of pages) page.end();
    },
  };

  function sendModel(response: ServerResponse, { found, summary }: KnownRun, which: "last" | "best"): void {
    try {
      if (summary.state === "unreadable") return refuse(response, 404, "the run cannot be read");
      const bytes = savedSafetensors(
        loadSavedModel(found.folder, which, () => {}),
        code,
      );
      const name = `${summary.name.replace(/[^\w.-]+/g, "-")}-${which}.safetensors`;
      response.writeHead(200, {
        ...HEADERS,
        ...{ "Content-Type": "application/octet-stream", "Content-Length": bytes.length, "Cache-Control": "no-store" },
        "Content-Disposition": `attachment; filename="${name}"`,
      });
      response.end(bytes);
    } catch (error) {
      refuse(response, 404, error instanceof GradalignError ? error.message.replaceAll(found.root, "") : "the model cannot be read");
    }
  }
}

/** Whether they are texts by their names. A name that objects have a meaning of their own for would be lost on the way. */
function isSettings(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value) || Object.hasOwn(value, "__proto__")) return false;
  return Object.values(value).every((text) => typeof text === "string" && text.length <= 2000);
}

/** Those that a page does not have: it has the first `from`, of which the last is of iteration `after`. A run that went back is told anew. */
function evaluationsOf(evaluations: readonly Evaluation[], from: number, after: number): EvaluationsAnswer {
  const first = Number.isInteger(from) && from > 0 && evaluations[from - 1]?.iteration === after ? from : 0;
  return { from: first, evaluations: evaluations.slice(first) };
}

/** Whether nothing is left to do, or another does it. */
function isOver(run: KnownRun | undefined): boolean {
  return run !== undefined && (run.found.attempt === null || run.summary.state === "running");
}

function isToken(sent: string | string[] | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(String(sent)), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A planned run for the queue. */
function queued(key: string, planned: Planned, { perform }: RunStarter): QueuedRun {
  return { key, label: planned.run.label, work: (signal) => perform(planned, signal) };
}
