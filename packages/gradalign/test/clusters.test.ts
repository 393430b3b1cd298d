/** @file Workers on a real Redis: killed and told to stop, a run that cannot be done, a plan that is submitted twice, secrets. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { resolveTrainConfig, train } from "@gradalign/robustness";
import { readRecordFolder } from "@gradalign/robustness/node";
import {
  cancelPlan,
  createRun,
  exitCodeOf,
  failuresOf,
  holderOf,
  openQueue,
  planOf,
  planStatus,
  queueAddress,
  type RunQueue,
  readPlan,
  resultDigest,
  runId,
  writePlan,
} from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { hasRedis, hasRedisTls, redisServer } from "../../../tools/redis-server.mjs";
import { gradalign } from "./support/captured.ts";
import { writeRecordFiles } from "./support/record-files.ts";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const SECRET = "kept-s3cret";

function run(label: string, name: string, data = "", epochs = 2, seed = 0) {
  const size = { epochs, batchSize: 16, evalEvery: 4, evalExamples: 8, seed };
  const config = resolveTrainConfig({ dataset: { name, crop: 0, flip: false }, model: { name: "cnn", filters: 1 }, method: "fgsm", epsilon: 0.1, ...size });
  return { id: runId(config, data), label, config, attacks: [], data };
}

describe.skipIf(!hasRedis)("workers on a queue (Debian's redis-server)", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-clusters-"));
  const [images, damaged, runs] = ["images", "damaged", "runs"].map((name) => join(folder, name)) as [string, string, string];
  let redis: Awaited<ReturnType<typeof redisServer>>;
  let queue: RunQueue;
  let url: string;

  beforeAll(async () => {
    writeRecordFiles(images, 64, 32);
    mkdirSync(damaged);
    writeFileSync(join(damaged, "train.bin"), "not images");
    redis = await redisServer(join(folder, "redis"), SECRET);
    await redis.start();
    url = `redis://127.0.0.1:${redis.port}`;
    queue = await openQueue(queueAddress(url, { GRADALIGN_QUEUE_PASSWORD: SECRET }), { persistent: false, note: () => {} });
  });
  afterAll(async () => {
    await queue?.close();
    await redis?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A worker; `onEvent` sees what its runs tell. */
  function worker(onEvent: (event: { type: string; run: string; iteration?: number }, child: ChildProcess) => void, ...flags: string[]) {
    const child = spawn(process.execPath, [MAIN, "work", "--queue", url, "--runs", runs, "--threads", "1", "--patience", "1", "--json", ...flags], {
      env: { ...process.env, GRADALIGN_QUEUE_PASSWORD: SECRET },
    });
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      output += line;
      onEvent(JSON.parse(line) as { type: string; run: string; iteration?: number }, child);
    });
    return new Promise<{ code: number | null; output: string }>((done) => child.on("close", (code) => done({ code, output })));
  }

  it("finish what killed workers left, to the same bits, name what cannot be done, and refuse what is no run of a plan", async () => {
    const { dataset, fingerprint } = await readRecordFolder(images);
    const good = ["a", "b", "c"].map((label, seed) => run(label, images, fingerprint, 2, seed));
    const poison = run("poison", damaged);
    const [outside, code, odd] = [
      { ...run("outside", images), id: "../../escape" },
      { id: "code", command: "rm -rf /" },
      { ...run("odd", images), attacks: [{ attack: "__proto__" }] },
    ];
    await Promise.all([queue.add([...good, poison]), queue.add(good), queue.add([outside, code, odd])]);
    let environment = "";
    const killed = await worker((event, child) => {
      if (event.type !== "checkpoint" || child.killed) return;
      const [trains] = spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" }).stdout.split("\n");
      environment = readFileSync(`/proc/${trains}/environ`, "utf8");
      // Who claims is the worker, who computes is not.
      expect(holderOf(runs, event.run)?.pid).toBe(child.pid);
      child.kill("SIGKILL");
    });
    expect(killed.code).toBeNull();
    const last = await worker(() => {}, "--drain");
    expect(last).toMatchObject({ code: 0 });

    const device = await createDevice({ backend: "wasm", threads: 1 });
    for (const { id, label, config } of good) {
      const whole = createRun(join(folder, `whole-${label}`), config);
      await train(config, dataset, { device, checkpoints: whole.sink, fingerprint });
      expect(resultDigest(join(runs, id)), label).toBe(resultDigest(whole.folder));
    }
    device.close();
    const ids = good.map(({ id }) => id);
    expect(readdirSync(runs).sort()).toEqual(["attempts", ...ids].sort());
    expect(failuresOf(runs, poison.id).map(({ message }) => message)).toEqual(Array(3).fill(expect.stringContaining("train.bin")));
    const states = await queue.states([...ids, poison.id]);
    expect([...states].map(([id, { state }]) => `${id} ${state}`)).toEqual([...ids.map((id) => `${id} completed`), `${poison.id} failed`]);

    const plan = join(folder, "killed.json");
    writePlan(plan, planOf("killed", { kind: "sweep", varied: [] }, [...good, poison, run("never submitted", images, fingerprint, 3)]));
    process.env["GRADALIGN_QUEUE_PASSWORD"] = SECRET;
    const { stdout } = await gradalign("status", plan, "--runs", runs, "--queue", url);
    delete process.env["GRADALIGN_QUEUE_PASSWORD"];
    expect(stdout).toMatch(/^killed: 3 of 5 finished, 1 waiting, 1 failed, 1 not in the queue/);

    const refused = await queue.states([outside.id, code.id, odd.id]);
    const reasons = [
      /run \.\.\/\.\.\/escape is not what its id says/,
      /the run, field label: expected string, got nothing/,
      /the run, field attacks.0.attack: must name an attack/,
    ];
    expect([...refused.values()]).toEqual(reasons.map((reason) => ({ state: "failed", reason: expect.stringMatching(reason) })));

    for (const text of [environment, killed.output, last.output, ...readdirSync(join(runs, ids[0] as string)).map((name) => name)])
      expect(text).not.toContain(SECRET);
    expect(environment).not.toContain("GRADALIGN_QUEUE");
  });

  it.skipIf(!hasRedisTls)("reach a Redis with password and TLS, whose certificate they check", { timeout: 60_000 }, async () => {
    const tls = await redisServer(join(folder, "tls"), SECRET, { tls: true });
    await tls.start();
    try {
      const address = { GRADALIGN_QUEUE: `rediss://127.0.0.1:${tls.port}`, GRADALIGN_QUEUE_PASSWORD: SECRET };
      // This process was not told to trust it.
      const opened = openQueue(queueAddress(undefined, address), { persistent: true, note: () => {} });
      await expect(opened).rejects.toThrow(/self-signed certificate; name the authority that signed it with NODE_EXTRA_CA_CERTS$/);
      const plain = openQueue(queueAddress(`redis://127.0.0.1:${tls.port}`, address), { persistent: false, note: () => {} });
      await expect(plain).rejects.toThrow(/^queue redis:/);
      const [plan, into] = [join(folder, "secure.json"), join(folder, "secure")];
      const secure = run("secure", images, (await readRecordFolder(images)).fingerprint, 1, 9);
      writePlan(plan, planOf("secure", { kind: "sweep", varied: [] }, [secure]));
      const env = { ...process.env, ...address, NODE_EXTRA_CA_CERTS: tls.certificate };
      const command = (...argv: string[]) => {
        const child = spawn(process.execPath, [MAIN, ...argv, "--runs", into], { env });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (chunk: Buffer) => {
            output += chunk.toString();
          });
        }
        return new Promise<{ code: number | null; output: string }>((done) => child.on("close", (code) => done({ code, output })));
      };
      const submitted = await command("submit", plan, "--engine", "bullmq");
      const worked = await command("work", "--drain", "--threads", "1");
      expect([submitted, worked]).toEqual([{ code: 0, output: expect.stringContaining("0 of 1 finished, 1 waiting") }, expect.objectContaining({ code: 0 })]);
      expect(readdirSync(into)).toContain(secure.id);
      expect(submitted.output + worked.output).not.toContain(SECRET);
    } finally {
      await tls.kill();
    }
  });

  it("leave what is cancelled with a checkpoint, go on when it is submitted again, and give it back when they are told to stop", async () => {
    process.env["GRADALIGN_QUEUE_PASSWORD"] = SECRET;
    const { fingerprint } = await readRecordFolder(images);
    const [long, other] = [run("long", images, fingerprint, 1000), run("other", images, fingerprint, 1000, 1)];
    const [one, both] = ["one", "both"].map((name) => join(folder, `${name}.json`)) as [string, string];
    writePlan(one, planOf("one", { kind: "sweep", varied: [] }, [long]));
    writePlan(both, planOf("both", { kind: "sweep", varied: [] }, [other, long]));
    const at = ["--runs", runs, "--queue", url];
    const submit = async (plan: string) => expect(await gradalign("submit", plan, "--engine", "bullmq", ...at)).toMatchObject({ code: 0 });
    const cancel = async (plan: string) => expect(await gradalign("cancel", plan, ...at)).toMatchObject({ code: 0 });
    const stateOf = async ({ id }: { id: string }) => (await queue.states([id])).get(id);
    for (const plan of [one, both]) await submit(plan);
    // What waits leaves the queue, but for what another plan wants as well.
    await cancel(both);
    expect([await stateOf(other), await stateOf(long)]).toEqual([undefined, { state: "waiting", reason: undefined }]);
    await cancel(one);
    expect(await stateOf(long)).toBeUndefined();

    await submit(one);
    const starts: number[] = [];
    let cancelled: Promise<void> | undefined;
    const cancelAndSubmit = async (): Promise<void> => {
      await cancel(one);
      await expect.poll(() => stateOf(long), { timeout: 20_000, interval: 20 }).toEqual({ state: "failed", reason: "cancelled" });
      expect(planStatus(runs, readPlan(one))).toMatchObject({ cancelled: true, running: 0, waiting: 1, failed: 0 });
      await submit(one);
    };
    const { code, output } = await worker((event, child) => {
      if (event.type === "start") starts.push(event.iteration ?? 0);
      if (event.type !== "checkpoint" || child.killed) return;
      if (starts.length > 1) child.kill("SIGTERM");
      else cancelled ??= cancelAndSubmit().finally(() => starts.length > 1 || setTimeout(() => child.kill("SIGKILL"), 20_000).unref());
    });
    await cancelled;
    delete process.env["GRADALIGN_QUEUE_PASSWORD"];
    expect({ code, output }).toMatchObject({ code: 143, output: expect.stringMatching(/it was cancelled.*SIGTERM: finishing the step/s) });
    expect(starts[1]).toBeGreaterThan(0);
    expect(failuresOf(runs, long.id)).toEqual([]);
    expect((await stateOf(long))?.state).toBe("waiting");
    await queue.cancel([long.id]);
    expect(await stateOf(long)).toBeUndefined();
  });

  it("say what is wrong with a queue that cannot be used, without its password", async () => {
    const wrong = queueAddress(undefined, { GRADALIGN_QUEUE: `redis://:wr0ng@127.0.0.1:${redis.port}` });
    await expect(openQueue(wrong, { persistent: true, note: () => {} })).rejects.toThrow(/^queue redis:\/\/127\.0\.0\.1:\d+\/0: WRONGPASS (?!.*wr0ng)/);
    const none = queueAddress("redis://127.0.0.1:1", {});
    await expect(openQueue(none, { persistent: false, note: () => {} })).rejects.toThrow(/ECONNREFUSED.*; start Redis there, or correct the address/);
    const far = queueAddress(`redis://127.0.0.1:${redis.port}/99`, { GRADALIGN_QUEUE_PASSWORD: SECRET });
    await expect(openQueue(far, { persistent: true, note: () => {} })).rejects.toThrow(/^queue redis:.*: ERR DB index is out of range/);
    // The same server, which says that it is an older one.
    const older = createServer((client) => {
      const server = connect(redis.port, "127.0.0.1");
      client.pipe(server);
      server.on("data", (chunk) => client.write(chunk.toString("latin1").replace(/redis_version:\d/, "redis_version:5"), "latin1"));
      client.on("close", () => server.destroy());
    }).listen(0, "127.0.0.1");
    await new Promise((listening) => older.once("listening", listening));
    const old = queueAddress(`redis://127.0.0.1:${(older.address() as AddressInfo).port}`, { GRADALIGN_QUEUE_PASSWORD: SECRET });
    await expect(openQueue(old, { persistent: true, note: () => {} })).rejects.toThrow(/: Redis 5\.\S+ is too old; use 6\.2 or newer, or Valkey$/);
    older.close();
  });
});

describe("one run of a plan, for schedulers", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-single-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is computed by the command of the Kubernetes example, whose rules know its exit codes", async () => {
    const page = readFileSync(new URL("../../../docs/clusters.md", import.meta.url), "utf8");
    const job = parse(/^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "") as {
      spec: {
        completionMode: string;
        podFailurePolicy: { rules: { action: string; onExitCodes?: { values: number[] } }[] };
        template: { spec: { containers: { command: string[] }[] } };
      };
    };
    expect(job.spec.completionMode).toBe("Indexed");
    const rules = job.spec.podFailurePolicy.rules.flatMap(({ action, onExitCodes }) => (onExitCodes ? [[action, ...onExitCodes.values]] : []));
    expect(rules).toEqual([
      ["FailIndex", exitCodeOf({ kind: "failed", message: "", final: true })],
      ["Ignore", exitCodeOf({ kind: "stopped" }), 143],
    ]);
    writeRecordFiles(join(folder, "images"), 64, 32);
    const plan = join(folder, "plan.json");
    const { fingerprint } = await readRecordFolder(join(folder, "images"));
    const [single, never, madeUp] = [
      run("single", join(folder, "images"), fingerprint),
      run("never", join(folder, "nowhere")),
      run("made up", "made-up", "made-up", 1),
    ];
    writePlan(plan, planOf("three", { kind: "sweep", varied: [] }, [single, never, madeUp]));
    const runs = join(folder, "sweep");
    expect(await gradalign("work", "--plan", plan, "--index", "3", "--runs", runs)).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining("--index (=3) must be from 0 to 2") },
    });
    const [shell = "", flag = "", line = ""] = job.spec.template.spec.containers[0]?.command ?? [];
    const exit = (index: number) => {
      const command = line.replace("npx gradalign", `${process.execPath} ${MAIN}`).replaceAll("/shared", folder);
      const child = spawn(shell, [flag, command], { stdio: "ignore", env: { ...process.env, JOB_COMPLETION_INDEX: String(index) } });
      return new Promise((done) => child.on("close", done));
    };
    expect(await Promise.all([exit(0), exit(1), exit(2)])).toEqual([0, 42, 0]);
    expect(readdirSync(runs).sort()).toEqual(["attempts", single.id, madeUp.id].sort());
    expect(failuresOf(runs, never.id)).toEqual([expect.objectContaining({ final: true, message: expect.stringContaining("nothing is there") })]);
    // The same, for machines that share no folder; then what they left is brought together.
    const [store, scratch, together] = [join(folder, "store"), join(folder, "scratch"), join(folder, "together")];
    const apart = spawn(process.execPath, [MAIN, "work", "--plan", plan, "--index", "0", "--runs", scratch, "--store", store], { stdio: "ignore" });
    expect(await new Promise((done) => apart.on("close", done))).toBe(0);
    const synced = await gradalign("sync", plan, "--runs", together, "--store", store);
    expect(synced).toMatchObject({ code: 0, stdout: expect.stringContaining("three: 1 of 3 finished") });
    expect(resultDigest(join(together, single.id))).toBe(resultDigest(join(runs, single.id)));
    // Cancelled ones are begun by nobody.
    cancelPlan(scratch, readPlan(plan));
    expect(await gradalign("work", "--plan", plan, "--index", "2", "--runs", scratch)).toMatchObject({
      code: 42,
      stderr: expect.stringContaining("was cancelled"),
    });
  });
});
