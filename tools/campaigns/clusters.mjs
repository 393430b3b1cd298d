/**
 * @file A sweep over Redis with what goes wrong on clusters: `npm run campaign:clusters -- [--count 200] [--seed 0] [--place store]`.
 *
 * Four workers do `count` small runs while, at random, they and the processes that train are killed (a quarter as many kills as runs, or
 * more), frozen for longer than their lock, Redis is killed and started with what it had written and once with nothing, the plan is
 * submitted again, and the disk is full. One run has damaged images. In the end every run must be finished once, with the bytes of the same
 * run of one undisturbed process, or be named as failed. With `--place store` each worker has a folder of its own, and they exchange
 * runs through a store. Needs Debian's redis-server; a full disk needs a file system that may be mounted.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  differingRuns,
  failuresOf,
  finishedFolder,
  holderOf,
  isGivenUp,
  MAX_FAILURES,
  openExchange,
  openQueue,
  openStore,
  queueAddress,
  resultDigest,
} from "@gradalign/runs/node";
import { performPlanned } from "../../packages/gradalign/dist/reproduce/perform-planned.js";
import { trainingPool } from "../../packages/gradalign/dist/reproduce/training-pool.js";
import { hasRedis, redisServer } from "../redis-server.mjs";
import { campaignArguments } from "./campaign-arguments.mjs";
import { makeSweep, undisturbed } from "./sweep.mjs";

const { count, seed, place } = campaignArguments({ count: 200, seed: 0 }, { place: ["folder", "store"] });
if (!hasRedis) throw new Error("campaign:clusters needs redis-server; run: apt-get install redis-server");
const WORKERS = 4;
/** Seconds after which a worker counts as gone. */
const PATIENCE = 3;
const PASSWORD = "campaign";
const main = fileURLToPath(new URL("../../packages/gradalign/dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gradalign-clusters-"));
let runs = join(folder, "runs");
mkdirSync(runs);
// Of its own, so that it can be full.
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1g", "tmpfs", runs]).status === 0;
/** Where the workers are, and what they share where that is no folder. */
const [area, store] = [runs, join(runs, "store")];
const folderOf = (/** @type {number} */ worker) => (place === "store" ? join(area, `worker-${worker}`) : runs);
const say = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);
process.on("exit", () => {
  if (mounted) spawnSync("umount", ["-l", area]);
  rmSync(folder, { recursive: true, force: true });
});

let state = seed >>> 0;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
/**
 * @template T
 * @param {readonly T[]} choices
 */
const pick = (choices) => choices[Math.floor(random() * choices.length)];

const { good, all } = await makeSweep(folder, count, 4);
const poison = all.at(-1);

const redis = await redisServer(join(folder, "redis"), PASSWORD);
await redis.start();
const url = `redis://127.0.0.1:${redis.port}`;
const queue = await openQueue(queueAddress(url, { GRADALIGN_QUEUE_PASSWORD: PASSWORD }), { persistent: true, note() {} });

/** Output of the workers, for when something is wrong. */
let log = "";
function startWorker(/** @type {string} */ into, /** @type {string[]} */ ...flags) {
  const argv = [main, "work", "--queue", url, "--runs", into, "--threads", "1", "--patience", String(PATIENCE), ...flags];
  const child = spawn(process.execPath, argv, { env: { ...process.env, GRADALIGN_QUEUE_PASSWORD: PASSWORD }, stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.on("data", (chunk) => {
    log = (log + chunk).slice(-20_000);
  });
  return child;
}
const ended = (/** @type {import("node:child_process").ChildProcess} */ child) =>
  child.exitCode === null && child.signalCode === null ? new Promise((done) => child.once("exit", done)) : undefined;

// What a queue costs, on runs that nobody disturbs: by turns through the queue and by the same processes without one, in ms a run.
/** @type {{ local: number[], queue: number[] }} */
const costs = { local: [], queue: [] };
for (let turn = 0; turn < 3; turn++) {
  const timed = good.slice(0, 12);
  const { signal } = new AbortController();
  const pool = trainingPool();
  const planned = { place: { runs: join(folder, `local-${turn}`) }, pool, threads: 1, track: [], signal };
  let at = 0;
  for (const [i, run] of timed.entries()) {
    const outcome = await performPlanned(run, planned, () => {});
    if (outcome.kind !== "done") throw new Error(`${run.id}: ${JSON.stringify(outcome)}`);
    if (i === 0) at = performance.now();
  }
  costs.local.push((performance.now() - at) / (timed.length - 1));
  pool.close();
  const into = join(folder, `quiet-${turn}`);
  const finished = () => timed.filter(({ id }) => existsSync(finishedFolder(into, id))).length;
  await queue.add(timed);
  const worker = startWorker(into, "--drain");
  while (finished() === 0) await delay(2);
  at = performance.now();
  while (finished() < timed.length) await delay(2);
  costs.queue.push((performance.now() - at) / (timed.length - 1));
  await ended(worker);
}
say(`ms a run: ${JSON.stringify(costs, (_, value) => (typeof value === "number" ? Math.round(value) : value))}`);

await undisturbed(good, join(folder, "whole"), folder);
say(`${count} runs done undisturbed; now with kills`);

const startAt = (/** @type {number} */ i) => startWorker(folderOf(i), ...(place === "store" ? ["--store", store] : []));
const workers = Array.from({ length: WORKERS }, (_, i) => startAt(i));
const isFinished = (/** @type {string} */ id) => existsSync(place === "store" ? join(store, "finished", `${id}.json`) : finishedFolder(runs, id));
/** Three failures at the same place are the end, and the runs that fail here do so at their beginning. */
const failedInStore = (/** @type {string} */ id) => {
  const attempts = join(store, "attempts", id);
  return existsSync(attempts) && readdirSync(attempts).filter((name) => name.endsWith(".failed.json")).length >= MAX_FAILURES;
};
const isOver = (/** @type {string} */ id) => isFinished(id) || (place === "store" ? failedInStore(id) : isGivenUp(failuresOf(runs, id)));
const done = () => all.filter(({ id }) => isOver(id)).length;
const counts = { workers: 0, trainings: 0, freezes: 0, "Redis killed": 0, "Redis emptied": 0, submissions: 0, "full disks": 0 };
const kills = () => counts.workers + counts.trainings;
const wantedKills = Math.max(50, Math.ceil(count / 4));
const trainingOf = (/** @type {number | undefined} */ pid) =>
  spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" })
    .stdout.split("\n")
    .filter(Boolean)
    .map(Number);
const kill = (/** @type {number} */ pid, /** @type {NodeJS.Signals} */ signal) => {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
};
/** @type {Set<number>} */
const frozen = new Set();
/** @type {Promise<unknown>[]} */
const thawing = [];

const actions = {
  async worker() {
    const i = Math.floor(random() * WORKERS);
    const child = workers[i];
    if (!child?.pid || frozen.has(child.pid)) return;
    if (random() < 0.3) for (const pid of trainingOf(child.pid)) counts.trainings += Number(kill(pid, "SIGKILL"));
    counts.workers += Number(child.kill("SIGKILL"));
    await ended(child);
    workers[i] = startAt(i);
  },
  async training() {
    for (const pid of trainingOf(pick(workers)?.pid).slice(0, 1)) counts.trainings += Number(kill(pid, "SIGKILL"));
  },
  async freeze() {
    const child = pick(workers);
    if (!child?.pid || frozen.size > 0) return;
    const pids = [child.pid, ...(random() < 0.7 ? trainingOf(child.pid) : [])];
    frozen.add(child.pid);
    for (const pid of pids) kill(pid, "SIGSTOP");
    counts.freezes++;
    thawing.push(
      delay((2 * PATIENCE + 2) * 1000).then(() => {
        for (const pid of pids) kill(pid, "SIGCONT");
        frozen.delete(/** @type {number} */ (child.pid));
      }),
    );
  },
  async redis() {
    const forget = counts["Redis emptied"] === 0 && done() > count / 3;
    await redis.kill({ forget });
    await delay(1000 * random());
    await redis.start();
    counts[forget ? "Redis emptied" : "Redis killed"]++;
    if (forget) await queue.add(all);
  },
  async submit() {
    counts.submissions++;
    await Promise.all([queue.add(all), queue.add(all)]);
  },
  async disk() {
    if (!mounted) return;
    spawnSync("dd", ["if=/dev/zero", `of=${join(area, "filler")}`, "bs=4M"]);
    counts["full disks"]++;
    await delay(3000);
    rmSync(join(area, "filler"), { force: true });
  },
};
/** @type {readonly (keyof typeof actions)[]} */
const odds = [...Array(12).fill("worker"), ...Array(3).fill("training"), "freeze", "freeze", "redis", "submit", "disk"];

const began = performance.now();
await queue.add(all);
let [told, last, at] = [0, 0, performance.now()];
while (done() < all.length || kills() < wantedKills) {
  await delay(100);
  const now = done();
  // So that kills are spread over the runs, and something is done between them.
  const due = (now / all.length) * wantedKills * 1.1 >= kills() && (now > last || performance.now() - at > 10_000);
  if (now < all.length && due) {
    await actions[pick(odds) ?? "worker"]();
    [last, at] = [now, performance.now()];
  } else if (performance.now() - at > 10_000) {
    // What a Redis lost that was killed before it had written.
    await queue.add(all.filter(({ id }) => !isFinished(id)));
    at = performance.now();
  }
  if (now === all.length) break;
  if (now >= told + 20) {
    told = now;
    say(`${now} of ${all.length} after ${((performance.now() - began) / 1000).toFixed(0)} s: ${JSON.stringify(counts)}`);
  }
  if (performance.now() - began > 3_600_000) break;
}
await Promise.all(thawing);
for (const child of workers) child.kill("SIGTERM");
await Promise.all(workers.map(ended));
await queue.close();
await redis.kill();

/** @type {string[]} */
const problems = [];
const named = [];
if (place === "store") {
  runs = join(folder, "together");
  mkdirSync(runs);
  const exchange = openExchange(await openStore(store), runs, say);
  for (const { id } of all) await exchange.synchronize(id, true).catch((error) => problems.push(`${id}: ${error.message}`));
}
for (const { id } of all) {
  const failures = failuresOf(runs, id);
  if (existsSync(finishedFolder(runs, id))) {
    if (id === poison?.id) problems.push("the run of damaged images is finished");
    else if (resultDigest(finishedFolder(runs, id)) !== resultDigest(finishedFolder(join(folder, "whole"), id)))
      problems.push(`${id}: other bytes than undisturbed`);
  } else if (isGivenUp(failures)) named.push(`${id} (${failures.length} failures: ${failures.at(-1)?.message.slice(0, 100)})`);
  else problems.push(`${id}: neither finished nor named; its newest attempt is ${JSON.stringify(holderOf(runs, id))}`);
}
for (const [id, folders] of differingRuns(runs)) problems.push(`results of ${id} differ: ${folders.join(", ")}`);
const strange = readdirSync(runs).filter((name) => !all.some(({ id }) => id === name) && name !== "attempts");
if (strange.length > 0) problems.push(`left over: ${strange.join(", ")}`);
for (const problem of problems) console.error(problem);
if (problems.length > 0) console.error(log);
say(
  `seed ${seed}: ${all.length - named.length} of ${all.length} runs finished with the bytes of an undisturbed process, failed and named: ${named.join("; ") || "none"}; ` +
    `${kills()} kills ${JSON.stringify(counts)}${mounted ? "" : " (no full disk: nothing can be mounted here)"}; ${problems.length} problems; ` +
    `${((performance.now() - began) / 1000).toFixed(0)} s`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
