/** @file What the server answers about runs, and what it does for whoever has its token. */
import { timingSafeEqual } from "node:crypto";
import { realpathSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readJsonLines } from "@gradalign/robustness/node";
import { ConfigError, GradalignError } from "@gradalign/tensor";
import { z } from "zod";
import { forgiveFailures } from "../folder/node-attempts.ts";
import { savedSafetensors } from "../models/model-export.ts";
import { loadSavedModel } from "../models/node-saved-model.ts";
import { noteSubmission } from "../plan/node-plan-status.ts";
import type { Plan } from "../plan/plan.ts";
import { isInside } from "./node-find-runs.ts";
import { HEADERS, readBody, refuse, sendJson } from "./node-http.ts";
import { type KnownRun, logFile, runIndex } from "./node-run-index.ts";
import { type Perform, studioQueue } from "./node-run-queue.ts";
import { watchFolders } from "./node-watch.ts";
import { type EvaluationsAnswer, type RunsMessage, type RunsRequest, TOKEN_HEADER } from "./protocol.ts";

/** How runs are started here. */
export interface RunStarter {
  /** Whoever sends it may start runs. */
  readonly token: string;
  /** The folder that new runs are written to, one of those that are served. */
  readonly runs: string;
  /** Names of data sets that can be trained on here. */
  readonly datasets: readonly string[];
  readonly jobs: number;
  readonly perform: Perform;
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
  z.object({ action: z.literal("start"), settings: z.record(z.string(), z.string().max(2000)) }),
  z.object({ action: z.enum(["stop", "resume"]), run: z.string() }),
]);
const logForm = z.looseObject({ date: z.string(), type: z.string() });
/** Lines of a log that are shown. */
const MOST_LINES = 500;

/** Begins to watch the folders. */
export function runsService({ folders, starter, code }: RunsOptions): RunsService {
  const index = runIndex(folders, (key) => starterQueue?.entries.some((entry) => entry.key === key && entry.state !== "waiting") ?? false);
  const pages = new Set<ServerResponse>();
  const told = new Map<string, string>();
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
    const queue = starterQueue?.entries ?? [];
    const isFree = (key: string): boolean => !queue.some((entry) => entry.key === key);
    const resumable = starter
      ? [...index.planned].flatMap(([key, { run }]) => (run.data !== "made-up" && isFree(key) && !isOver(index.runs.get(key)) ? [key] : []))
      : [];
    return { type: "queue", queue, datasets: starter?.datasets ?? null, resumable };
  };
  const tellAll = (): void => {
    tell({ type: "plans", plans: index.plans });
    tell(queueMessage());
    tell({ type: "remarks", remarks: index.remarks });
  };
  const look = (): void => {
    const { changed, removed } = index.look();
    watch.follow(index.folders);
    if (changed.length + removed.length > 0) send(pages, { type: "runs", all: false, changed, removed });
    tellAll();
  };
  // Where nobody looks, a page that comes is told what there is then.
  const watch = watchFolders(() => {
    if (pages.size > 0) look();
  });
  const starterQueue = starter
    ? studioQueue(starter.jobs, starter.perform, () => {
        tell(queueMessage());
        watch.touch();
      })
    : null;
  look();

  const events = (request: IncomingMessage, response: ServerResponse): void => {
    look();
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    // A page that finds the server gone asks again a second later.
    response.write("retry: 1000\n\n");
    send([response], { type: "runs", all: true, changed: [...index.runs.values()].map(({ summary }) => summary), removed: [] });
    for (const text of told.values()) response.write(`data: ${text}\n\n`);
    pages.add(response);
    request.on("close", () => pages.delete(response));
  };

  const act = async (asked: RunsRequest, { token: _, ...own }: RunStarter): Promise<void> => {
    if (asked.action === "start") {
      const plan = await own.plan(asked.settings);
      noteSubmission(own.runs, plan, { engine: "studio", jobs: [] });
      index.look();
      const folder = realpathSync(own.runs);
      const runs = plan.runs.map((run) => ({ runs: folder, run, key: index.keyOf(folder, run.id) ?? run.id }));
      starterQueue?.add(runs.filter(({ key }) => !isOver(index.runs.get(key))));
    } else if (asked.action === "stop") {
      if (!starterQueue?.stop(asked.run)) throw new ConfigError("the run is not in this server's queue; stop it where it was started");
    } else if (asked.action === "resume") {
      const planned = index.planned.get(asked.run);
      if (!planned) throw new ConfigError("no plan of the folder has the run; resume it with: gradalign train --resume FOLDER");
      forgiveFailures(planned.runs, planned.run.id);
      starterQueue?.add([{ ...planned, key: asked.run }]);
    }
    look();
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
          await act(asked.data, starter);
          return sendJson(response, {});
        } catch (error) {
          return refuse(response, error instanceof GradalignError ? 400 : 500, (error as Error).message);
        }
      }
      if (method !== "GET" && method !== "HEAD") return refuse(response, 405, "only GET and HEAD are answered", { Allow: "GET, HEAD" });
      if (path === "/runs/events" && method === "GET") return events(request, response);
      const key = query.get("run") ?? "";
      const run = index.runs.get(key);
      if (path === "/runs/evaluations" && run) return sendJson(response, evaluationsOf(run, Number(query.get("from")), Number(query.get("after"))));
      if (path === "/runs/log" && (run || index.planned.has(key))) return sendJson(response, logOf(key));
      const which = query.get("which");
      if (path === "/runs/model" && run && (which === "last" || which === "best")) return sendModel(response, run, which);
      refuse(response, 404, "not found");
    },
    async close() {
      await starterQueue?.close();
      watch.close();
      for (const page of pages) page.end();
    },
  };

  function logOf(key: string): unknown {
    const planned = index.planned.get(key);
    const file = planned && logFile(planned.runs, planned.run.id);
    if (!file || !index.folders.some((folder) => isInside(file, folder))) return [];
    try {
      return readJsonLines(file, logForm, "delete it").slice(-MOST_LINES);
    } catch {
      return [];
    }
  }

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

/** Those that a page does not have: it has the first `from`, of which the last is of iteration `after`. A run that went back is told anew. */
function evaluationsOf({ evaluations }: KnownRun, from: number, after: number): EvaluationsAnswer {
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
