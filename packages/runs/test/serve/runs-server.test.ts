/** @file The runs that the studio's server serves: told live, whoever writes them; nothing outside of the folders. */
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Evaluation } from "@gradalign/robustness";
import { describe, expect, test, vi } from "vitest";
import type { WorkOutcome } from "../../src/engines/node-attempt-run.ts";
import { noteAttackPart, noteEvent } from "../../src/folder/node-notes.ts";
import { withRunLock } from "../../src/folder/node-run.ts";
import { untilAskedToStop } from "../../src/folder/node-stop.ts";
import type { StudioServer } from "../../src/serve/node-server.ts";
import { addEvaluation, madeUpEvaluations, writeRun } from "../support/run-folder.ts";
import { act, dataset, get, handPerformed, planOfSeeds, servedRuns } from "../support/served-runs.ts";

const { folder, newFolder, start, serve, listen } = servedRuns();

const evaluations = async (server: StudioServer, query: Readonly<Record<string, string>>) =>
  (await get(server, `runs/evaluations?${new URLSearchParams(query)}`)).json() as Promise<{ from: number; evaluations: { iteration: number }[] }>;

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

  test("are attacked after their last step, which is told as it goes on", async () => {
    const runs = newFolder();
    const place = join(runs, "a");
    writeRun(place);
    const page = await listen(await serve([runs]));
    const part = { iteration: 11_700, attack: "pgd-50-10", epsilon: 0.03, seed: 0, clean: 90, robust: 40, loss: 1, seconds: 5 };
    await withRunLock(place, {}, async () => {
      await page.until(({ runs: told }) => told.get("0/a")?.state === "running");
      for (const skip of [0, 128]) noteAttackPart(place, { ...part, skip, n: 128 });
      const { runs: told } = await page.until(({ runs: known }) => known.get("0/a")?.attacked?.images === 256);
      expect(told.get("0/a")?.attacked).toEqual({ attack: "pgd-50-10", iteration: 11_700, images: 256 });
    });
    const { runs: told } = await page.until(({ runs: known }) => known.get("0/a")?.state === "finished");
    expect(told.get("0/a")?.attacked).toBeNull();
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

  test("that were stopped say with what command they go on, from where the server was started; what is not known yet is not said of them", async () => {
    const runs = newFolder();
    const early = (madeUpEvaluations(null).slice(0, 5) as Evaluation[]).map((evaluation) => ({ ...evaluation, test_clean_acc: 0.1, test_pgd_acc: 0.1 }));
    const id = planOfSeeds(0).runs[0]?.id as string;
    for (const [place, evaluations] of [
      ["plain run", early],
      [`attempts/${id}/1`, early],
      ["ended", [...early, { ...(early[4] as Evaluation), iteration: 11_700, epoch: 30 }]],
    ] as const) {
      writeRun(join(runs, place), { evaluations: 0 });
      for (const evaluation of evaluations) addEvaluation(join(runs, place), evaluation);
    }
    writeFileSync(join(runs, `attempts/${id}/1.json`), "{}");
    const where = vi.spyOn(process, "cwd").mockReturnValue(folder);
    try {
      const page = await listen(await serve([runs, join(runs, "plain run")]));
      const { runs: told } = await page.until(({ runs: known }) => known.size === 4);
      const inside = relative(folder, runs);
      const shown = [...told.values()].map(({ key, state, outcome, resume }) => [key, state, outcome?.kind ?? null, resume]);
      expect(new Set(shown)).toEqual(
        new Set([
          [`0/${id}`, "stopped", null, null],
          ["0/ended", "finished", "learned nothing", null],
          ["0/plain run", "stopped", null, `gradalign train --resume '${inside}/plain run'`],
          ["1/", "stopped", null, `gradalign train --resume '${inside}/plain run'`],
        ]),
      );
    } finally {
      where.mockRestore();
    }
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

test("the images are loaded when a page asks for them, and again after that failed", async () => {
  let tries = 0;
  const load = async () => {
    if (tries++ === 0) throw new Error("no network");
    return { dataset, fingerprint: "made-up" };
  };
  const server = await start({ dataset: load });
  expect(tries).toBe(0);
  const refused = await get(server, "data/list.json");
  expect([refused.status, await refused.text()]).toEqual([503, "the images could not be had: see the server's messages\n"]);
  expect((await get(server, "data/list.json")).status).toBe(200);
  expect((await get(server, "data/list.json")).status).toBe(200);
  expect(tries).toBe(2);
});
