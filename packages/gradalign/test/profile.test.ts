/** @file `gradalign profile`: its table, its JSON and its trace tell of the same step. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { gradalign } from "./support/captured.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-profile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const STEP = ["profile", "--model", "cnn", "--method", "fgsm", "--epsilon", "8", "--batch-size", "8", "--rounds", "2", "--threads", "1"];

interface Kernel {
  readonly kernel: string;
  readonly count: number;
  readonly ms: number;
  readonly share: number;
  readonly gflops: number;
}

test("every kernel is in the JSON and in the trace", async () => {
  const trace = join(folder, "step.json");
  const { code, stdout } = await gradalign(...STEP, "--json", "--trace", trace);
  expect(code).toBe(0);
  const profile = JSON.parse(stdout) as { kernels: Kernel[]; kernelMs: number; program: { kernels: number } };
  expect(profile.kernels.reduce((sum, { count }) => sum + count, 0)).toBe(profile.program.kernels);
  expect(profile.kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
  expect(profile.kernels.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(profile.kernelMs, 9);

  const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as {
    traceEvents: { name: string; ph: string; ts: number; dur: number; args: { flops: number } }[];
  };
  expect(traceEvents).toHaveLength(profile.program.kernels);
  traceEvents.slice(1).forEach(({ ts }, i) => {
    expect(ts).toBeCloseTo(traceEvents[i]!.ts + traceEvents[i]!.dur, 6);
  });
  // Forward convolutions of the attack and of the update: 8 images, 32 x 32 pixels, 9 taps, 3 to 4 channels, two operations each.
  const forward = traceEvents.filter(({ name }) => name.includes("conv") && !name.includes("grad") && name.endsWith("3 to 4 channels"));
  expect(forward.map(({ args }) => args.flops)).toEqual([2 * 8 * 1024 * 9 * 12, 2 * 8 * 1024 * 9 * 12]);
});

test("the table is cut where asked, and says what was left out", async () => {
  const { code, stdout } = await gradalign(...STEP, "--top", "3");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  const head = lines.findIndex((line) => line.includes("GFLOP/s"));
  expect(lines.slice(head + 1)).toHaveLength(4);
  expect(lines.at(-1)).toContain("other kinds of kernels");
});

test("plans are printed for the kernels of the table, and each says what its code is", async () => {
  const { code, stdout } = await gradalign(...STEP, "--top", "12", "--plans", "--native", "off");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  const head = lines.findIndex((line) => line.includes("GFLOP/s"));
  const names = lines.slice(head + 1, head + 13).map((line) => / wasm {2,}(.*)$/.exec(line)?.[1]);
  expect(lines.filter((line) => names.includes(line))).toEqual(names);
  expect(lines.slice(head + 14).some((line) => / {2}accumulate \d+ rows x \d+ vectors of /.test(line))).toBe(true);
});
