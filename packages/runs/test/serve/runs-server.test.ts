/** @file The runs that the studio's server serves: told live, whoever writes them; nothing outside of the folders; started only with the token. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Evaluation, imageDataset, resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { WorkOutcome } from "../../src/engines/node-attempt-run.ts";
import { noteEvent } from "../../src/folder/node-notes.ts";
import { withRunLock } from "../../src/folder/node-run.ts";
import { untilAskedToStop } from "../../src/folder/node-stop.ts";
import { planOf } from "../../src/plan/node-plan.ts";
import { noteSubmission } from "../../src/plan/node-plan-status.ts";
import { runId } from "../../src/plan/node-run-id.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { RunStarter } from "../../src/serve/node-runs-service.ts";
import { type StudioServer, startStudioServer } from "../../src/serve/node-server.ts";
import { type RunSummary, type RunsMessage, TOKEN_HEADER } from "../../src/serve/protocol.ts";
import { addEvaluation, madeUpEvaluations, writeRun } from "../support/run-folder.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-runs-")));
const page = join(folder, "page");
mkdirSync(page);
writeFileSync(join(page, "index.html"), "<!doctype html><title>page</title>");
const pixels = { images: new Uint8Array(12), labels: new Uint8Array(1) };
const dataset = imageDataset({ name: "tiny", classNames: ["a", "b"], shape: [3, 2, 2], train: pixels, test: pixels });
const code = { version: "0.1.0", commit: null };
const TOKEN = "a-token";

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
const newFolder = (): string => join(folder, `runs-${made++}`);

/** A plan of fgsm runs of these seeds. */
function planOfSeeds(...seeds: number[]): Plan {
  const runs = seeds.map((seed) => {
    const config = resolveTrainConfig({ model: "cnn", method: "fgsm", epochs: 30, seed });
    return { id: runId(config, "real", []), label: `seed ${seed}`, config, attacks: [], data: "real" };
  });
  return planOf("by seed", { kind: "sweep", varied: ["seed"] }, runs);
}

type Perform = RunStarter["perform"];

async function serve(folders: readonly string[], perform?: Perform, resume: RunStarter["resume"] = async () => ({ kind: "done" })): Promise<StudioServer> {
  const plan = async ({ seed = "0" }): Promise<Plan> => planOfSeeds(...seed.split(",").map(Number));
  const starter = perform ? { token: TOKEN, runs: folders[0] as string, datasets: ["cifar10"], jobs: 1, perform, resume, plan } : null;
  const server = await startStudioServer({ dataset, runs: { folders, starter, code }, port: 0, host: "127.0.0.1", page });
  ending.push(() => server.close());
  return server;
}

/** What the server has told a page so far, put together as the page does. */
interface Told {
  readonly runs: Map<string, RunSummary>;
  readonly plans: Extract<RunsMessage, { type: "plans" }>["plans"];
  readonly queue: Extract<RunsMessage, { type: "queue" }> | null;
  readonly remarks: readonly string[];
  readonly isLooking: boolean;
}

/** Listens as a page does; resolves with what was told once that is as it is wanted. */
async function listen(server: StudioServer): Promise<{ until(wanted: (told: Told) => boolean): Promise<Told>; told: Told }> {
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
}

const get = (server: StudioServer, path: string) => fetch(server.url + path);
const evaluations = async (server: StudioServer, query: Readonly<Record<string, string>>) =>
  (await get(server, `runs/evaluations?${new URLSearchParams(query)}`)).json() as Promise<{ from: number; evaluations: { iteration: number }[] }>;

async function act(server: StudioServer, request: unknown, headers: Readonly<Record<string, string>> = { [TOKEN_HEADER]: TOKEN }) {
  const response = await fetch(`${server.url}runs/do`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  return { status: response.status, text: (await response.text()).trim() };
}

describe("runs of a folder", () => {
  test("are told, and told again when a process writes to them, when one is gone, and when it is back", async () => {
    const runs = newFolder();
    writeRun(join(runs, "healthy"), { config: { method: "fgsm-gradalign" } });
    writeRun(join(runs, "deep/er/collapsed"), { collapse: 12, evaluations: 20, alarms: [{ iteration: 1950, evidence: "it fell", restored: 1700 }] });
    const server = await serve([runs]);
    const page = await listen(server);
    const { runs: first } = await page.until(({ runs: told }) => told.size === 2);
    expect(first.get("0/healthy")).toMatchObject({ name: "healthy", state: "finished", evaluations: 60, settings: { method: "fgsm-gradalign", seed: "0" } });
    expect(first.get("0/deep/er/collapsed")).toMatchObject({
      state: "stopped",
      alarms: [{ iteration: 1950, epoch: expect.closeTo(5), restored: 1700 }],
      checkpoints: [{ which: "last", iteration: 3800 }],
      overfitting: null,
    });

    const all = madeUpEvaluations(12);
    for (const evaluation of all.slice(20)) addEvaluation(join(runs, "deep/er/collapsed"), evaluation);
    const { runs: later } = await page.until(({ runs: told }) => told.get("0/deep/er/collapsed")?.evaluations === 60);
    expect(later.get("0/deep/er/collapsed")?.overfitting?.epoch).toBeGreaterThan(11);

    renameSync(join(runs, "deep"), join(folder, "away"));
    await page.until(({ runs: told }) => told.size === 1);
    renameSync(join(folder, "away"), join(runs, "shallow"));
    await page.until(({ runs: told }) => told.has("0/shallow/er/collapsed"));
    rmSync(runs, { recursive: true });
    const { remarks } = await page.until(({ runs: told, remarks: said }) => told.size === 0 && said.length > 0);
    expect(remarks[0]).toMatch(/is not there; runs are shown when it is$/);
    writeRun(join(runs, "new"), {});
    await page.until(({ runs: told }) => told.has("0/new"));
    // A second page is told the same.
    const second = await listen(server);
    await second.until(({ runs: told }) => told.has("0/new") && told.size === 1);
  });

  test("are running while a process that lives has their lock", async () => {
    const runs = newFolder();
    writeRun(join(runs, "a"), { evaluations: 5 });
    const page = await listen(await serve([runs]));
    await page.until(({ runs: told }) => told.get("0/a")?.state === "stopped");
    let lock = "";
    await withRunLock(join(runs, "a"), {}, async () => {
      lock = readFileSync(join(runs, "a/run.lock"), "utf8");
      await page.until(({ runs: told }) => told.get("0/a")?.state === "running");
    });
    await page.until(({ runs: told }) => told.get("0/a")?.state === "stopped");
    // What a process that was killed leaves.
    writeFileSync(join(runs, "a/run.lock"), JSON.stringify({ ...JSON.parse(lock), pid: 2 ** 22 + 1 }));
    addEvaluation(join(runs, "a"), madeUpEvaluations(null)[5] as Evaluation);
    const { runs: later } = await page.until(({ runs: told }) => told.get("0/a")?.evaluations === 6);
    expect(later.get("0/a")?.state).toBe("stopped");
  });

  test("give the evaluations that a page does not have; all, when it went back", async () => {
    const runs = newFolder();
    writeRun(join(runs, "a"), { evaluations: 5 });
    const server = await serve([runs]);
    expect(await evaluations(server, { run: "0/a", from: "3", after: "400" })).toMatchObject({
      from: 3,
      evaluations: [{ iteration: 600 }, { iteration: 800 }],
    });
    for (const [from, after] of [
      ["3", "600"],
      ["7", "1200"],
      ["-1", "0"],
      ["x", "y"],
    ] as const) {
      const answer = await evaluations(server, { run: "0/a", from, after });
      expect([answer.from, answer.evaluations.length]).toEqual([0, 5]);
    }
  });

  test("may be thousands: what is found is told while the rest is looked for, and others are answered meanwhile", async () => {
    const runs = newFolder();
    const run = writeRun(join(runs, "first"), { evaluations: 2 });
    for (let i = 0; i < 300; i++) {
      mkdirSync(join(runs, `run-${i}`));
      writeFileSync(join(runs, `run-${i}/config.json`), JSON.stringify(run.config));
    }
    const server = await serve([runs]);
    const page = await listen(server);
    const { isLooking, runs: first } = await page.until(({ runs: told }) => told.has("0/first"));
    expect([isLooking, first.size < 301]).toEqual([true, true]);
    expect((await get(server, "data/list.json")).status).toBe(200);
    expect(page.told.isLooking).toBe(true);
    await page.until(({ runs: told, isLooking: still }) => told.size === 301 && !still);
    // A second page is told all of them.
    await (await listen(server)).until(({ runs: told }) => told.size === 301);
  });

  test("that are trained in their place are asked to stop, whichever process trains them, and resumed; their logs say what went wrong", async () => {
    const runs = newFolder();
    const place = join(runs, "a");
    writeRun(place, { evaluations: 5 });
    const resumed: string[] = [];
    let end: (outcome: WorkOutcome) => void = () => {};
    const server = await serve([runs], handPerformed().perform, (folder) => {
      resumed.push(folder);
      return new Promise((resolve) => {
        end = resolve;
      });
    });
    const page = await listen(server);
    await page.until(({ queue }) => queue?.resumable.includes("0/a") === true && queue.stoppable.length === 0);
    expect(await act(server, { action: "stop", run: "0/a" })).toMatchObject({ status: 400, text: expect.stringContaining("stop it where it was started") });

    const training = withRunLock(place, {}, () =>
      untilAskedToStop(
        place,
        new AbortController().signal,
        () => {},
        (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve)),
      ),
    );
    await page.until(({ queue }) => queue?.stoppable.includes("0/a") === true && queue.resumable.length === 0);
    expect((await act(server, { action: "resume", run: "0/a" })).text).toContain("another process has it");
    expect((await act(server, { action: "stop", run: "0/a" })).status).toBe(200);
    await training;
    await page.until(({ runs: told }) => told.get("0/a")?.state === "stopped");

    noteEvent(place, { type: "failed", message: `there is no room in ${place}` });
    const { runs: told } = await page.until(({ runs: known }) => known.get("0/a")?.state === "failed");
    expect(told.get("0/a")?.problem).toBe("there is no room in a");
    expect(await (await get(server, `runs/log?${new URLSearchParams({ run: "0/a" })}`)).json()).toMatchObject([
      { type: "failed", message: "there is no room in a" },
    ]);
    expect((await act(server, { action: "resume", run: "0/a" })).status).toBe(200);
    await page.until(({ queue }) => queue?.queue[0]?.state === "running" && queue.resumable.length === 0);
    expect(resumed).toEqual([place]);
    end({ kind: "failed", message: "its process ended with SIGKILL", final: true });
    const { remarks } = await page.until(({ queue, remarks: said }) => queue?.queue.length === 0 && said.length > 0);
    expect(remarks).toEqual(["a: its process ended with SIGKILL"]);
  });

  test("that cannot be read say why, and others are shown", async () => {
    const runs = newFolder();
    writeRun(join(runs, "good"), {});
    writeRun(join(runs, "bad"), { evaluations: 3 });
    writeFileSync(join(runs, "bad/metrics.jsonl"), "{}\n");
    const page = await listen(await serve([runs]));
    const { runs: told } = await page.until(({ runs: known }) => known.size === 2);
    expect(told.get("0/bad")).toMatchObject({ state: "unreadable", problem: expect.stringContaining("metrics.jsonl, line 1, field iteration") });
    expect(told.get("0/bad")?.problem).not.toContain(runs);
  });

  test("of several folders, and one that is a run itself, are told apart", async () => {
    const [a, b] = [newFolder(), newFolder()];
    writeRun(join(a, "one"), {});
    writeRun(b, {});
    const page = await listen(await serve([a, b]));
    const { runs: told } = await page.until(({ runs: known }) => known.size === 2);
    expect([...told.values()].map(({ key, name }) => [key, name.replace(/runs-\d+/, "R")])).toEqual([
      ["0/one", "R/one"],
      ["1/", "R"],
    ]);
  });
});

describe("nothing outside of the folders", () => {
  test("is found by links, named by keys, or told in messages", async () => {
    const [runs, outside] = [newFolder(), newFolder()];
    writeRun(join(outside, "private"), {});
    writeFileSync(join(outside, "secret"), "root:x:0:0\n");
    writeRun(join(runs, "a"), {});
    symlinkSync(join(outside, "private"), join(runs, "linked"));
    symlinkSync(outside, join(runs, "attempts"));
    // Of a run one file, or its checkpoints.
    writeRun(join(runs, "b"), {});
    rmSync(join(runs, "b/metrics.jsonl"));
    symlinkSync(join(outside, "secret"), join(runs, "b/metrics.jsonl"));
    writeRun(join(runs, "c"), {});
    rmSync(join(runs, "c/checkpoints"), { recursive: true });
    symlinkSync(join(outside, "private/checkpoints"), join(runs, "c/checkpoints"));
    const server = await serve([runs]);
    const page = await listen(server);
    const { runs: told } = await page.until(({ runs: known }) => known.size >= 3);
    expect([...told.keys()].sort()).toEqual(["0/a", "0/b", "0/c"]);
    for (const [key, name] of [
      ["0/b", "metrics.jsonl"],
      ["0/c", "checkpoints"],
    ] as const) {
      expect(told.get(key)).toMatchObject({ state: "unreadable", problem: `${name} is a link that leads out of the folder; nothing of the run is read` });
      expect((await get(server, `runs/model?run=${key}&which=last`)).status).toBe(404);
      expect((await evaluations(server, { run: key })).evaluations).toEqual([]);
    }
    for (const key of ["0/linked", "0/../x", "0/a/../../x", "1/a", "", "__proto__", "constructor", outside]) {
      for (const what of ["evaluations", "log", "model"]) {
        const answer = await get(server, `runs/${what}?${new URLSearchParams({ run: key, which: "last" })}`);
        expect([key, answer.status]).toEqual([key, 404]);
        expect(await answer.text()).toBe("not found\n");
      }
    }
    for (const path of ["runs/", "runs/../page", "runs/a", "runs/evaluations"]) expect((await get(server, path)).status).toBe(404);
    expect(JSON.stringify([...told.values()])).not.toMatch(/root:x|private/);
  });

  test("hostile names are text like any other", async () => {
    const runs = newFolder();
    const name = `<img src=x onerror=alert(1)>"'&\n\u202e${"x".repeat(60)}`;
    writeRun(join(runs, name), {});
    const server = await serve([runs]);
    const { runs: told } = await (await listen(server)).until(({ runs: known }) => known.size === 1);
    expect(told.get(`0/${name}`)?.name).toBe(name);
    const answer = await get(server, `runs/model?${new URLSearchParams({ run: `0/${name}`, which: "best" })}`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  });
});

/** Computes nothing, until it is told how a run ends. */
function handPerformed(): { readonly perform: Perform; readonly begun: string[]; end(label: string, outcome: WorkOutcome): void } {
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

describe("starting runs", () => {
  test("is for the token alone, from our own pages, in the form that pages send", async () => {
    const { perform, begun } = handPerformed();
    const server = await serve([newFolder()], perform);
    const start = { action: "start", settings: { seed: "0" } };
    expect(await act(server, start, {})).toMatchObject({ status: 403, text: expect.stringContaining("the token is missing or another server's") });
    expect((await act(server, start, { [TOKEN_HEADER]: "a-tokem" })).status).toBe(403);
    expect((await act(server, start, { [TOKEN_HEADER]: TOKEN, Origin: "http://evil.example" })).status).toBe(403);
    // What a form of another page could send without asking first.
    expect((await act(server, start, { [TOKEN_HEADER]: TOKEN, "Content-Type": "text/plain" })).status).toBe(400);
    for (const wrong of [null, [], { action: "delete", run: "0/a" }, { action: "start" }, { action: "start", settings: { seed: 1 } }]) {
      expect((await act(server, wrong)).status).toBe(400);
    }
    expect((await act(server, { ...start, settings: { seed: "0".repeat(100_000) } })).status).toBe(400);
    expect((await fetch(`${server.url}runs/do`, { headers: { [TOKEN_HEADER]: TOKEN } })).status).toBe(405);
    expect(begun).toEqual([]);
    const readOnly = await serve([newFolder()]);
    expect(await act(readOnly, start)).toEqual({ status: 403, text: "this server shows runs and starts none" });
  });

  test("queues them; one that is stopped can be resumed, also by a server that was started later", async () => {
    const runs = newFolder();
    const { perform, begun, end } = handPerformed();
    const server = await serve([runs], perform);
    const page = await listen(server);
    expect(await act(server, { action: "start", settings: { seed: "0,1,2" } })).toEqual({ status: 200, text: "{}" });
    const states = ({ queue }: Told) => queue?.queue.map(({ label, state }) => `${label} ${state}`).join(", ");
    await page.until((told) => states(told) === "seed 0 running, seed 1 waiting, seed 2 waiting");
    expect(page.told.plans[0]).toMatchObject({ name: "by seed", total: 3, waiting: 3 });
    const [first, second] = (page.told.queue?.queue ?? []).map(({ key }) => key) as [string, string];
    // Started again, it is still there once.
    await act(server, { action: "start", settings: { seed: "1" } });
    await act(server, { action: "stop", run: second });
    await page.until((told) => states(told) === "seed 0 running, seed 2 waiting");
    expect(page.told.queue?.resumable).toEqual([second]);
    await act(server, { action: "stop", run: first });
    await page.until((told) => states(told) === "seed 2 running");
    expect((await act(server, { action: "stop", run: first })).text).toContain("stop it where it was started");
    end("seed 2", { kind: "failed", message: "no luck", final: false });
    await expect.poll(() => begun).toEqual(["seed 0", "seed 2", "seed 2"]);
    await server.close();

    const later = handPerformed();
    const restarted = await serve([runs], later.perform);
    const again = await listen(restarted);
    await again.until(({ queue }) => queue?.resumable.length === 3);
    expect(later.begun).toEqual([]);
    await act(restarted, { action: "resume", run: first });
    await again.until((told) => states(told) === "seed 0 running");
    // The run comes to its end, and into its place.
    writeRun(join(runs, first.slice(2)), {});
    later.end("seed 0", { kind: "done" });
    await again.until((told) => told.queue?.queue.length === 0 && told.plans.find(({ total }) => total === 3)?.finished === 1);
    expect(again.told.runs.get(first)?.state).toBe("finished");
    expect(again.told.queue?.resumable).not.toContain(first);
  });

  test("is refused with the rule where the settings may not be, and where no plan has the run", async () => {
    const runs = newFolder();
    const { perform } = handPerformed();
    const server = await serve([runs], perform);
    const refused = await act(server, { action: "start", settings: { seed: "-1" } });
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining("seed (=-1) must be") });
    expect((await act(server, { action: "resume", run: "0/none" })).text).toContain("nothing to go on with");
    expect(existsSync(join(runs, "plans"))).toBe(false);
  });

  test("plans of other commands are shown, and what of them is wrong is told", async () => {
    const runs = newFolder();
    const plan = planOfSeeds(0, 1);
    mkdirSync(runs);
    noteSubmission(runs, plan, { engine: "local", jobs: [] });
    writeRun(join(runs, plan.runs[1]?.id as string), {});
    mkdirSync(join(runs, "plans/broken"));
    writeFileSync(join(runs, "plans/broken/plan.json"), "{}");
    const page = await listen(await serve([runs]));
    const { plans, remarks } = await page.until((told) => told.plans.length === 1 && told.remarks.length === 1);
    expect(plans[0]).toMatchObject({ total: 2, finished: 1, waiting: 1, runs: [{ settings: { seed: "0" }, state: "waiting" }, { state: "finished" }] });
    expect(remarks[0]).toMatch(/^plans\/broken\/plan\.json/);
  });

  test("those of experiments have their runs in a folder beside them", async () => {
    const runs = newFolder();
    const plan = planOfSeeds(0, 1);
    noteSubmission(runs, plan, { engine: "reproduce", jobs: [] });
    writeRun(join(runs, "trainings", plan.runs[1]?.id as string), {});
    writeRun(join(runs, "trainings", plan.runs[0]?.id as string), { evaluations: 5 });
    const page = await listen(await serve([runs], handPerformed().perform));
    const { plans, queue } = await page.until((told) => told.plans.length === 1 && told.runs.size === 2);
    expect(plans[0]).toMatchObject({ folder: "0/trainings", total: 2, finished: 1, waiting: 1 });
    expect(plans[0]?.runs.every(({ key }) => page.told.runs.has(key))).toBe(true);
    // They go on with their experiment.
    expect([queue?.stoppable, queue?.resumable]).toEqual([[], []]);
  });
});

test("the images are loaded when a page asks for them, and again after that failed", async () => {
  let tries = 0;
  const load = async () => {
    if (tries++ === 0) throw new Error("no network");
    return { dataset, fingerprint: "made-up" };
  };
  const server = await startStudioServer({ dataset: load, port: 0, host: "127.0.0.1", page });
  ending.push(() => server.close());
  expect(tries).toBe(0);
  const refused = await get(server, "data/list.json");
  expect([refused.status, await refused.text()]).toEqual([503, "the images could not be had: see the server's messages\n"]);
  expect((await get(server, "data/list.json")).status).toBe(200);
  expect((await get(server, "data/list.json")).status).toBe(200);
  expect(tries).toBe(2);
});
