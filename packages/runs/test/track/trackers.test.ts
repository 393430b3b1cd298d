/** @file Trackers: TensorBoard's bytes, and MLflow on a server of the test's own that fails, is away, and is found again. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig } from "@gradalign/robustness";
import { afterAll, describe, expect, test } from "vitest";
import { readTrackers } from "../../src/node.ts";
import { crc32c } from "../../src/track/event-file.ts";
import { mlflow } from "../../src/track/node-mlflow.ts";
import { tensorboard } from "../../src/track/node-tensorboard.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-trackers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = { folder, label: "a run", config: resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "fgsm" }) };

/** Of tools/oracle/event_file.py: a version, a start at step 301, and test_pgd_acc = 0.375 at step 300, all at 1234.5 s. */
const BYTES =
  "1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb100000000000000095fbfe180900000000004a934010ad02" +
  "3a020801c02893a52300000000000000b09f77430900000000004a934010ac022a150a130a0c746573745f7067645f616363150000c03e4f43daac";

test("TensorBoard's file has the bytes of its definition", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  const at = join(folder, "tensorboard");
  const tracker = tensorboard({ run, target: undefined, note: expect.unreachable }, () => 1234.5);
  tracker.start(300, []);
  tracker.send([{ name: "test_pgd_acc", value: 0.375, step: 300 }]);
  const [file] = readdirSync(at);
  expect(file).toMatch(/^events\.out\.tfevents\.1234\./);
  expect(readFileSync(join(at, file as string)).toString("hex")).toBe(BYTES);
});

test("of several runs with one place for TensorBoard's files, each has a folder of its own", () => {
  const place = join(folder, "shared");
  for (const id of ["a", "b"]) tensorboard({ run: { ...run, id }, target: place, note: expect.unreachable }).start(0, []);
  expect(readdirSync(place).sort()).toEqual(["a", "b"]);
});

interface Sent {
  readonly key: string;
  readonly value: number;
  readonly step: number;
}

/** As much of MLflow's server as is spoken to; `trouble` says what the next requests are answered. */
async function server() {
  const state = { trouble: [] as number[], authorization: new Set<string>(), created: 0, tags: "", metrics: [] as Sent[], params: 0, status: "" };
  const http = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const trouble = state.trouble.shift();
    state.authorization.add(request.headers.authorization ?? "");
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    const path = new URL(request.url ?? "", "http://x").pathname.replace("/api/2.0/mlflow/", "");
    const latest = new Map(state.metrics.map((metric) => [metric.key, metric]));
    const answers: Record<string, () => [number, unknown]> = {
      "experiments/get-by-name": () => [404, { error_code: "RESOURCE_DOES_NOT_EXIST" }],
      "experiments/create": () => [200, { experiment_id: "1" }],
      "runs/search": () => [200, state.tags !== "" && String(body["filter"]).includes(state.tags) ? { runs: [{ info: { run_id: "r" } }] } : {}],
      "runs/create": () => {
        state.created++;
        state.tags = (body["tags"] as { key: string; value: string }[])[0]?.value ?? "";
        return [200, { run: { info: { run_id: "r" } } }];
      },
      "runs/get": () => [200, { run: { data: { metrics: [...latest.values()] } } }],
      "runs/log-batch": () => {
        state.metrics.push(...((body["metrics"] ?? []) as Sent[]));
        state.params += ((body["params"] ?? []) as unknown[]).length;
        return [200, {}];
      },
      "runs/update": () => {
        state.status = String(body["status"]);
        return [200, {}];
      },
    };
    const [status, answer] = trouble === undefined ? (answers[path]?.() ?? [404, {}]) : [trouble, {}];
    response.writeHead(status).end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  return { state, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, close: () => http.close() };
}

const at = (step: number) => [{ name: "loss", value: step / 10, step }];
const quick = { first: 1, last: 2, end: 2000 };

describe("MLflow", () => {
  test("gets every number once, whatever the server answers and however often the run goes on", async () => {
    const { state, url, close } = await server();
    const notes: string[] = [];
    const open = () => mlflow({ run, target: url, note: (text) => notes.push(text) }, { MLFLOW_TRACKING_TOKEN: "s3cret" }, quick);
    state.trouble = [503, 429, 500];
    const first = open();
    first.start(0, []);
    for (const step of [0, 10, 20]) first.send(at(step));
    await first.close("interrupted");
    expect([state.status, state.created, notes.length]).toEqual(["KILLED", 1, 1]);
    expect(notes[0]).toMatch(/^mlflow: the server answers 503.*; the run goes on, and it is tried again$/);
    const second = open();
    second.start(20, [0, 10, 20].flatMap(at));
    second.send(at(30));
    await second.close("finished");
    expect(state).toMatchObject({ status: "FINISHED", created: 1 });
    expect(state.metrics.map(({ step }) => step)).toEqual([0, 10, 20, 30]);
    expect(state.params).toBeGreaterThan(10);
    expect([...state.authorization]).toEqual(["Bearer s3cret"]);
    expect(readFileSync(join(folder, "mlflow.json"), "utf8")).not.toContain("s3cret");
    close();
  });

  test("that is away is told of once and holds nothing up", async () => {
    const notes: string[] = [];
    const { url, close } = await server();
    close();
    const tracker = mlflow({ run, target: url, note: (text) => notes.push(text) }, {}, { ...quick, end: 50 });
    tracker.start(0, []);
    tracker.send(at(1));
    await tracker.close("finished");
    expect(notes).toEqual([expect.stringMatching(/ECONNREFUSED.*tried again$/), "mlflow: 1 numbers did not arrive; they are in the run's folder"]);
  });
});

test.each([
  ["tensorbord", "must be tensorboard or mlflow; did you mean tensorboard?"],
  ["wandb", "must be tensorboard or mlflow; name one of them"],
  ["tensorboard,mlflow=nowhere", "--track mlflow=<url> must be the server's address"],
])("--track %s is refused", (text, message) => {
  expect(() => readTrackers(text)).toThrow(message);
});

test.each(["nowhere", "ftp://a", "http://u:secret@a"])("an address like %s is refused, without showing a password", (target) => {
  expect(() => mlflow({ run, target, note() {} }, {})).toThrow(/^--track mlflow=<url> must (?!.*secret)/);
});
