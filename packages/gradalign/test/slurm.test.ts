/** @file The whole way of a plan on a real Slurm: submitted as arrays, computed, merged into a report; cancelled, and submitted again. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holderOf, planFolder, planStatus, readPlan, readSubmission, squeue } from "@gradalign/runs/node";
import { parseHTML } from "linkedom";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasSlurm, startSlurm } from "../../../tools/slurm-cluster.mjs";
import { gradalign } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

describe.skipIf(!hasSlurm)("a plan on Slurm (Debian's slurm-wlm on one node, as root)", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-slurm-"));
  const before = process.env["SLURM_CONF"];
  let cluster: Awaited<ReturnType<typeof startSlurm>>;
  beforeAll(async () => {
    // Munge's daemon is not root.
    chmodSync(folder, 0o755);
    cluster = await startSlurm(join(folder, "cluster"));
    process.env["SLURM_CONF"] = cluster.environment.SLURM_CONF;
    writeRecordFiles(join(folder, "images"), 64, 32);
  }, 60_000);
  afterAll(async () => {
    await cluster?.stop();
    if (before === undefined) delete process.env["SLURM_CONF"];
    else process.env["SLURM_CONF"] = before;
    rmSync(folder, { recursive: true, force: true });
  });

  async function planned(name: string, epochs: number, seeds: string) {
    const [sweep, file] = [join(folder, `${name}.yaml`), join(folder, `${name}.json`)];
    const settings = { dataset: join(folder, "images"), model: "cnn", filters: 1, epochs, "batch-size": 16, "eval-every": 4, "eval-examples": 8 };
    writeFileSync(sweep, `${JSON.stringify({ ...settings, "final-attack": "none", method: "fgsm" }).slice(0, -1)}, "seed": ${seeds}}`);
    expect(await gradalign("plan", sweep, "--out", file)).toMatchObject({ code: 0 });
    return { file, plan: readPlan(file), runs: join(folder, name) };
  }

  it("is computed by array jobs, and its report is written by the job after them", { timeout: 120_000 }, async () => {
    const { file, plan, runs } = await planned("grid", 1, "[0, 1]");
    const submitted = await gradalign("submit", file, "--engine", "slurm", "--runs", runs, "--track", "tensorboard");
    expect(submitted).toMatchObject({ code: 0, stdout: expect.stringContaining("0 of 2 finished, 2 waiting") });
    expect(readSubmission(runs, plan)).toMatchObject({ engine: "slurm", jobs: [expect.stringMatching(/^\d+$/), expect.stringMatching(/^\d+$/)] });
    const report = join(planFolder(runs, plan), "report.html");
    await expect.poll(() => existsSync(report), { timeout: 90_000, interval: 100 }).toBe(true);
    expect(planStatus(runs, plan)).toMatchObject({ finished: 2, total: 2, failed: 0 });
    const rows = [...parseHTML(readFileSync(report, "utf8")).document.querySelectorAll("table")[0]!.querySelectorAll("tbody td")];
    expect(rows[0]?.textContent).toBe("2 of 2");
    for (const { id } of plan.runs) expect(readdirSync(join(runs, id))).toContain("tensorboard");
    // What is finished is not handed over again.
    const again = await gradalign("submit", file, "--engine", "slurm", "--runs", runs);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("2 of 2 finished") });
    expect(readSubmission(runs, plan)?.jobs).toEqual([]);
  });

  it("that is cancelled writes its checkpoint, leaves Slurm, and is not queued again", { timeout: 120_000 }, async () => {
    const { file, plan, runs } = await planned("long", 100_000, "[0]");
    await gradalign("submit", file, "--engine", "slurm", "--runs", runs);
    const jobs = readSubmission(runs, plan)?.jobs ?? [];
    await expect.poll(() => planStatus(runs, plan).runs[0]?.epoch ?? 0, { timeout: 90_000, interval: 100 }).toBeGreaterThan(0);
    expect(await gradalign("cancel", file, "--runs", runs)).toMatchObject({ code: 0 });
    await expect.poll(() => squeue(jobs), { timeout: 60_000, interval: 100 }).toEqual([]);
    const { state, epoch = 0 } = planStatus(runs, plan).runs[0]!;
    expect([state, epoch > 0, holderOf(runs, plan.runs[0]!.id)?.number]).toEqual(["waiting", true, 1]);
  });
});
