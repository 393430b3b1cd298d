/** @file Runs that the studio's server starts: only with the token, one after another, also after the server was started again. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { noteSubmission } from "../../src/plan/node-plan-status.ts";
import { TOKEN_HEADER } from "../../src/serve/protocol.ts";
import { writeRun } from "../support/run-folder.ts";
import { act, handPerformed, planOfSeeds, servedRuns, TOKEN, type Told } from "../support/served-runs.ts";

const { newFolder, serve, listen } = servedRuns();

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
    // As text: of an object the key would be its prototype.
    const named = await fetch(`${server.url}runs/do`, {
      method: "POST",
      headers: { "Content-Type": "application/json", [TOKEN_HEADER]: TOKEN },
      body: `{"action": "start", "settings": {"seed": "0", "__proto__": "1"}}`,
    });
    expect(named.status).toBe(400);
    expect(begun).toEqual([]);
    const readOnly = await serve([newFolder()]);
    expect(await act(readOnly, start)).toEqual({ status: 403, text: "this server shows runs and starts none" });
  });

  test("queues them; one that is stopped can be resumed, also by a server that was started later", async () => {
    const runs = newFolder();
    const { perform, begun, end } = handPerformed();
    const server = await serve([runs], perform);
    const page = await listen(server);
    expect(await act(server, { action: "start", settings: { seed: "0,1,2" } })).toEqual({ status: 200, text: `{"queued":3,"there":[]}` });
    const states = ({ queue }: Told) => queue?.queue.map(({ label, state }) => `${label} ${state}`).join(", ");
    await page.until((told) => states(told) === "seed 0 running, seed 1 waiting, seed 2 waiting");
    expect(page.told.plans[0]).toMatchObject({ name: "by seed", total: 3, waiting: 3 });
    const [first, second] = (page.told.queue?.queue ?? []).map(({ key }) => key) as [string, string];
    // Started again, it is still there once.
    expect((await act(server, { action: "start", settings: { seed: "1" } })).text).toBe(`{"queued":0,"there":["seed 1"]}`);
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
    expect((await act(restarted, { action: "start", settings: { seed: "0" } })).text).toBe(`{"queued":0,"there":["seed 0"]}`);
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
