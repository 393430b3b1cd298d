/**
 * @file A plan as Slurm's array jobs: `npm run campaign:slurm -- [--count 12] [--seed 0]`.
 *
 * One node of Debian's slurm-wlm does `count` small runs in arrays of at most five tasks. Tasks are told that their time is nearly over, queued
 * again as after a preemption, and killed; one run has damaged images. Every run must be finished once, with the bytes of the same run of one
 * undisturbed process, or be named as failed, and the job that merges must come last. Needs slurm-wlm, munge and root.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { failuresOf, finishedFolder, holderOf, isGivenUp, planOf, resultDigest, writePlan } from "@gradalign/runs/node";
import { arrayScripts, maxArraySize, mergeScript, sbatch, squeue } from "../../packages/runs/dist/engines/node-slurm.js";
import { hasSlurm, startSlurm } from "../slurm-cluster.mjs";
import { campaignArguments } from "./campaign-arguments.mjs";
import { makeSweep, undisturbed } from "./sweep.mjs";

const { count, seed } = campaignArguments({ count: 12, seed: 0 });
if (!hasSlurm) throw new Error("campaign:slurm needs root and Slurm; run: apt-get install slurm-wlm munge");
const main = fileURLToPath(new URL("../../packages/gradalign/dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-slurm-"));
// Munge's daemon is not root.
chmodSync(folder, 0o755);
const cluster = await startSlurm(join(folder, "cluster"), ["MaxArraySize=5"]);
process.on("exit", () => {
  cluster.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
process.env["SLURM_CONF"] = cluster.environment.SLURM_CONF;
let state = (seed + 1) >>> 0;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const { good, all } = await makeSweep(folder, count, 40);
const at = (/** @type {string} */ name) => join(folder, name);
const [plan, runs, whole] = [at("plan.json"), at("runs"), at("whole")];
writePlan(plan, planOf("slurm", { kind: "sweep", varied: [] }, all));
await undisturbed(good, whole, folder);

const began = performance.now();
const request = {
  indices: all.map((_, i) => i),
  command: [process.execPath, main, "work", "--plan", plan, "--runs", runs, "--threads", "1", "--index"],
  merge: ["ls", runs],
  ...{ folder: at("scripts"), options: [], maxArraySize: maxArraySize() },
};
mkdirSync(request.folder);
const jobs = arrayScripts(request).map(({ name, text }) => {
  writeFileSync(join(request.folder, name), text);
  return sbatch(join(request.folder, name));
});
writeFileSync(at("merge.sh"), mergeScript(request).text);
sbatch(at("merge.sh"), [`--dependency=afterany:${jobs.join(":")}`]);
const counts = { warned: 0, requeued: 0, killed: 0 };
/** Tasks that waited when they were looked at last. */
let before = new Set();
while (squeue(jobs).length > 0 || execFileSync("squeue", ["--noheader"], { encoding: "utf8" }).trim() !== "") {
  await delay(1000 + 2000 * random());
  // A requeued task waits for two minutes unless it is let go; not at once, when Slurm may not know yet how it ended before.
  const tasks = squeue(jobs);
  const waiting = tasks.flatMap(({ job, task, state: its }) => (its === "PENDING" ? [`${job}_${task}`] : []));
  for (const name of waiting.filter((one) => before.has(one))) spawnSync("scontrol", ["update", `JobId=${name}`, "StartTime=now"]);
  before = new Set(waiting);
  const running = tasks.filter(({ state: its }) => its === "RUNNING");
  const task = running[Math.floor(random() * running.length)];
  if (!task || counts.warned + counts.requeued + counts.killed >= count) continue;
  const name = `${task.job}_${task.task}`;
  const draw = random();
  if (draw < 0.5) {
    spawnSync("scancel", ["--batch", "--signal=USR1", name]);
    counts.warned++;
  } else if (draw < 0.75) {
    spawnSync("scontrol", ["requeue", name]);
    counts.requeued++;
  } else {
    // As by a kernel out of memory.
    const worker = all
      .map(({ id }) => (existsSync(finishedFolder(runs, id)) ? undefined : holderOf(runs, id)?.pid))
      .find((its) => its && existsSync(`/proc/${its}`));
    // Now the task's own process, now the one that trains for it.
    const trains = Number(spawnSync("pgrep", ["-P", String(worker)], { encoding: "utf8" }).stdout.split("\n")[0]);
    const pid = random() < 0.5 ? worker : trains || worker;
    if (pid) process.kill(pid, "SIGKILL");
    counts.killed += pid ? 1 : 0;
  }
}

/** @type {string[]} */
const problems = [];
const named = [];
for (const { id } of all) {
  if (existsSync(finishedFolder(runs, id))) {
    if (resultDigest(finishedFolder(runs, id)) !== resultDigest(finishedFolder(whole, id))) problems.push(`${id}: other bytes than undisturbed`);
  } else if (isGivenUp(failuresOf(runs, id))) named.push(id);
  else problems.push(`${id}: neither finished nor named`);
}
const merged = readFileSync(join(folder, "scripts", "merge.log"), "utf8");
if (good.some(({ id }) => !merged.includes(id))) problems.push(`the job that merges did not come last: ${merged}`);
for (const problem of problems) console.error(problem);
if (problems.length > 0)
  for (const name of readdirSync(join(folder, "scripts"))) console.error(name, readFileSync(join(folder, "scripts", name), "utf8").slice(-2000));
process.stdout.write(
  `seed ${seed}: ${all.filter(({ id }) => existsSync(finishedFolder(runs, id))).length} of ${all.length} runs in ${jobs.length} arrays finished with the bytes of an undisturbed process, ` +
    `failed and named: ${named.join(", ") || "none"}; ${JSON.stringify(counts)}; ${problems.length} problems; ${((performance.now() - began) / 1000).toFixed(0)} s\n`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
await cluster.stop();
