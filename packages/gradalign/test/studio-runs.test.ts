/** @file Runs started from the studio's page: computed by processes of their own, which outlive no server; resumed by one that is started later. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RunsMessage, TOKEN_HEADER } from "@gradalign/runs";
import { afterAll, afterEach, expect, test } from "vitest";
import { writeRecordFiles } from "./support/record-files.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-studio-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const bin = fileURLToPath(new URL("../bin/gradalign.js", import.meta.url));

/** The command as users start it, once it listens. */
async function studio(
  ...argv: string[]
): Promise<{ readonly child: ChildProcess; readonly url: string; readonly token: string; readonly exit: Promise<number | null> }> {
  const child = spawn(process.execPath, [bin, "studio", ...argv, "--port", "0", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(text.toString()));
    void exit.then((code) => reject(new Error(`gradalign studio ended with exit code ${code} before it served anything`)));
  });
  const { url, runs } = JSON.parse(line) as { url: string; runs: string };
  return { child, url, token: new URL(runs).hash.replace("#token=", ""), exit };
}

const ask = async (url: string, token: string, request: object) => {
  const headers = { "Content-Type": "application/json", [TOKEN_HEADER]: token };
  const response = await fetch(`${url}runs/do`, { method: "POST", headers, body: JSON.stringify(request) });
  return { status: response.status, text: await response.text() };
};

/** Listens until a message is as it is wanted. */
async function until<Found>(url: string, wanted: (message: RunsMessage) => Found | undefined): Promise<Found> {
  const { body } = await fetch(`${url}runs/events`);
  let text = "";
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(piece);
    const parts = text.split("\n\n");
    text = parts.pop() as string;
    for (const part of parts.filter((one) => one.startsWith("data: "))) {
      const found = wanted(JSON.parse(part.slice("data: ".length)) as RunsMessage);
      // Leaving the loop ends the request.
      if (found !== undefined) return found;
    }
  }
  throw new Error("the server ended");
}

test("a run goes on after its server was killed, from its checkpoint; the next server's end stops it in order", async () => {
  const [own, runs] = [join(folder, "own"), join(folder, "runs")];
  writeRecordFiles(own, 20, 10);
  mkdirSync(runs);
  const first = await studio(runs, "--dataset", own);
  const settings = { model: "cnn", method: "fgsm", epochs: "100000", batchSize: "10", evalEvery: "5", evalExamples: "10", finalAttack: "none" };
  expect(await ask(first.url, first.token, { action: "start", settings: { ...settings, dataset: "/" } })).toMatchObject({
    status: 400,
    text: expect.stringContaining('--dataset (="/") must be one of cifar10, svhn'),
  });
  expect(await ask(first.url, first.token, { action: "start", settings: { ...settings, epsilon: "0.03" } })).toMatchObject({
    status: 400,
    text: expect.stringContaining("--epsilon (=0.03) must be"),
  });
  expect(await ask(first.url, first.token, { action: "start", settings })).toEqual({ status: 200, text: JSON.stringify({ queued: 1, there: [] }) });
  const begun = await until(first.url, (message) => (message.type === "runs" ? message.changed.find(({ evaluations }) => evaluations >= 3) : undefined));
  expect(begun).toMatchObject({ state: "running", settings: { method: "fgsm", "batch-size": "10" } });
  first.child.kill("SIGKILL");

  const second = await studio(runs, "--dataset", own);
  await until(second.url, (message) => (message.type === "queue" && message.resumable.includes(begun.key) ? true : undefined));
  const stopped = await until(second.url, (message) => (message.type === "runs" ? message.changed.find(({ key }) => key === begun.key) : undefined));
  expect(stopped.state).toBe("stopped");
  expect(await ask(second.url, second.token, { action: "resume", run: begun.key })).toEqual({ status: 200, text: "{}" });
  const again = await until(second.url, (message) =>
    message.type === "runs" ? message.changed.find(({ state, evaluations }) => state === "running" && evaluations > stopped.evaluations) : undefined,
  );
  expect(again.key).toBe(begun.key);
  second.child.kill("SIGINT");
  expect(await second.exit).toBe(0);

  const third = await studio(runs, "--dataset", own, "--read-only");
  expect(third.token).toBe("");
  const last = await until(third.url, (message) => (message.type === "runs" ? message.changed.find(({ key }) => key === begun.key) : undefined));
  expect(last).toMatchObject({ state: "stopped", checkpoints: [{ which: "last" }, { which: "best" }] });
  expect((await ask(third.url, "", { action: "resume", run: begun.key })).status).toBe(403);
});
