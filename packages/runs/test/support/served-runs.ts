/** @file The studio's server with runs in temporary folders, and what a page of it is told, for tests of both. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageDataset, resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, afterEach, expect } from "vitest";
import type { WorkOutcome } from "../../src/engines/node-attempt-run.ts";
import { planOf } from "../../src/plan/node-plan.ts";
import { runId } from "../../src/plan/node-run-id.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { RunStarter } from "../../src/serve/node-runs-service.ts";
import { type StudioServer, startStudioServer } from "../../src/serve/node-server.ts";
import { type RunSummary, type RunsMessage, TOKEN_HEADER } from "../../src/serve/protocol.ts";

const pixels = { images: new Uint8Array(12), labels: new Uint8Array(1) };
/** A data set of two images. */
export const dataset = imageDataset({ name: "tiny", classNames: ["a", "b"], shape: [3, 2, 2], train: pixels, test: pixels });
const code = { version: "0.1.0", commit: null };
/** The token of servers that start runs. */
export const TOKEN = "a-token";

type Perform = RunStarter["perform"];

/** A plan of fgsm runs of these seeds. */
export function planOfSeeds(...seeds: number[]): Plan {
  const runs = seeds.map((seed) => {
    const config = resolveTrainConfig({ model: "cnn", method: "fgsm", epochs: 30, seed });
    return { id: runId(config, "real", []), label: `seed ${seed}`, config, attacks: [], data: "real" };
  });
  return planOf("by seed", { kind: "sweep", varied: ["seed"] }, runs);
}

/** What the server has told a page so far, put together as the page does. */
export interface Told {
  readonly runs: Map<string, RunSummary>;
  readonly plans: Extract<RunsMessage, { type: "plans" }>["plans"];
  readonly queue: Extract<RunsMessage, { type: "queue" }> | null;
  readonly remarks: readonly string[];
  readonly isLooking: boolean;
}

/** What the server answers at a path. */
export const get = (server: StudioServer, path: string) => fetch(server.url + path);

/** Asks the server to do something, with the token unless told otherwise. */
export async function act(server: StudioServer, request: unknown, headers: Readonly<Record<string, string>> = { [TOKEN_HEADER]: TOKEN }) {
  const response = await fetch(`${server.url}runs/do`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  return { status: response.status, text: (await response.text()).trim() };
}

/** Computes nothing, until it is told how a run ends. */
export function handPerformed(): { readonly perform: Perform; readonly begun: string[]; end(label: string, outcome: WorkOutcome): void } {
  const begun: string[] = [];
  const ends = new Map<string, (outcome: WorkOutcome) => void>();
  return {
    begun,
    perform: ({ run: { label } }, signal) =>
      new Promise((resolve) => {
        begun.push(label);
        ends.set(label, resolve);
        signal.addEventListener("abort", () => resolve({ kind: "stopped" }));
      }),
    end: (label, outcome) => ends.get(label)?.(outcome),
  };
}

/** Folders and servers of a test file, which has to call it once: servers end with their test, folders with the file. */
export function servedRuns() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-runs-")));
  const page = join(folder, "page");
  mkdirSync(page);
  writeFileSync(join(page, "index.html"), "<!doctype html><title>page</title>");
  const ending: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  let made = 0;
  /** Path of a folder that is not there yet. */
  const newFolder = (): string => join(folder, `runs-${made++}`);

  /** A server of a data set alone, or of runs as well. */
  const start = async (settings: Omit<Parameters<typeof startStudioServer>[0], "port" | "host" | "page">): Promise<StudioServer> => {
    const server = await startStudioServer({ ...settings, port: 0, host: "127.0.0.1", page });
    ending.push(() => server.close());
    return server;
  };

  /** A server of these folders, which starts runs if it is told how they are performed. */
  const serve = (folders: readonly string[], perform?: Perform, resume: RunStarter["resume"] = async () => ({ kind: "done" })): Promise<StudioServer> => {
    const plan = async ({ seed = "0" }): Promise<Plan> => planOfSeeds(...seed.split(",").map(Number));
    const starter = perform ? { token: TOKEN, runs: folders[0] as string, datasets: ["cifar10"], jobs: 1, perform, resume, plan } : null;
    return start({ dataset, runs: { folders, starter, code } });
  };

  /** Listens as a page does; resolves with what was told once that is as it is wanted. */
  const listen = async (server: StudioServer): Promise<{ until(wanted: (told: Told) => boolean): Promise<Told>; told: Told }> => {
    const told: { -readonly [Name in keyof Told]: Told[Name] } = { runs: new Map(), plans: [], queue: null, remarks: [], isLooking: true };
    const waiting = new Set<() => void>();
    const stop = new AbortController();
    ending.push(async () => stop.abort());
    const response = await fetch(`${server.url}runs/events`, { signal: stop.signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    void (async () => {
      let text = "";
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += new TextDecoder().decode(piece);
        const parts = text.split("\n\n");
        text = parts.pop() as string;
        for (const part of parts) {
          if (!part.startsWith("data: ")) continue;
          const message = JSON.parse(part.slice("data: ".length)) as RunsMessage;
          if (message.type === "runs") {
            for (const key of message.removed) told.runs.delete(key);
            for (const run of message.changed) told.runs.set(run.key, run);
          } else if (message.type === "queue") told.queue = message;
          else if (message.type === "plans") told.plans = message.plans;
          else {
            told.remarks = message.remarks;
            told.isLooking = message.isLooking;
          }
        }
        for (const look of waiting) look();
      }
    })().catch(() => {});
    return {
      told,
      until: (wanted) =>
        new Promise((resolve) => {
          const look = (): void => {
            if (!wanted(told)) return;
            waiting.delete(look);
            resolve(told);
          };
          waiting.add(look);
          look();
        }),
    };
  };

  return { folder, newFolder, start, serve, listen };
}
