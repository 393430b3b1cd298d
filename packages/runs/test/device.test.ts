/** @file Where a resumed run is computed. */
import type { Arithmetic } from "@gradalign/robustness";
import { afterEach, describe, expect, test, vi } from "vitest";
import { arithmeticOptions, openDevice, resumedSettings, runSettingsOf, usualNative } from "../src/perform/node-device.ts";

/** A run computed with this. */
const run = (...arithmetic: Arithmetic[]) => ({ seal: { arithmetic } }) as unknown as Parameters<typeof resumedSettings>[2];
const asked = { precision: "f16", tensorCores: "auto", softwareGpu: "yes", threads: 2, finalAttack: "pgd-3" } as const;

describe("a resumed run", () => {
  test("keeps what was asked for, on the backend that was taken", () => {
    expect(resumedSettings({}, asked, run({ backend: "webgpu" }))).toEqual({ ...asked, backend: "webgpu" });
    expect(resumedSettings({}, { backend: "auto" }, run({ backend: "webgpu" }, { backend: "wasm" }))).toEqual({ backend: "wasm" });
  });

  test("takes what is given anew, and another backend without the first one's options", () => {
    expect(resumedSettings({ threads: 1, finalExamples: 5 }, asked, run({ backend: "webgpu" }))).toMatchObject({
      threads: 1,
      finalExamples: 5,
      precision: "f16",
    });
    expect(resumedSettings({ backend: "wasm" }, asked, run({ backend: "webgpu" }))).toEqual({ backend: "wasm", threads: 2, finalAttack: "pgd-3" });
    expect(resumedSettings({ backend: "webgpu" }, asked, run({ backend: "webgpu" }))).toEqual({ ...asked, backend: "webgpu" });
  });

  test("without a checkpoint is as it was asked for", () => {
    expect(resumedSettings({}, asked, { seal: null })).toEqual(asked);
  });
});

test("settings of the machine are told from the training's, and tensor cores decide bits on a GPU alone", () => {
  expect(runSettingsOf({ epochs: 3, threads: 2, finalAttack: "none" })).toEqual({ threads: 2, finalAttack: "none" });
  expect(arithmeticOptions({ backend: "webgpu" }, {})).toEqual({ tensorCores: "off" });
  expect(arithmeticOptions({ backend: "wasm" }, { tensorCores: "on" })).toEqual({});
});

describe("machine code", () => {
  afterEach(() => void vi.unstubAllEnvs());

  test("is chosen by the environment where no setting says, in three words", async () => {
    vi.stubEnv("GRADALIGN_NATIVE", "sometimes");
    const open = openDevice({ backend: "wasm", threads: 1 }, () => {});
    await expect(open).rejects.toThrow('GRADALIGN_NATIVE (="sometimes") must be auto, on or off');
    expect(() => usualNative()).toThrow('GRADALIGN_NATIVE (="sometimes") must be auto, on or off');
    vi.stubEnv("GRADALIGN_NATIVE", "off");
    expect(usualNative()).toEqual({ host: null, problem: "GRADALIGN_NATIVE switches it off" });
    // Set to nothing it is as if it were not set.
    vi.stubEnv("GRADALIGN_NATIVE", "");
    expect(usualNative().problem).not.toBe("GRADALIGN_NATIVE switches it off");
    vi.stubEnv("GRADALIGN_NATIVE", "sometimes");
    // A setting that is given wins.
    (await openDevice({ backend: "wasm", threads: 1, native: "off" }, () => {})).close();
  });

  test("where there is none, a newer Node would be faster: told where somebody reads it", async () => {
    const hints = async (node: string, native: "auto" | "off" = "auto"): Promise<string[]> => {
      const elsewhere: Readonly<Record<string | symbol, unknown>> = { versions: { ...process.versions, node }, arch: "x64", platform: "other" };
      vi.stubGlobal("process", new Proxy(process, { get: (target, name) => elsewhere[name] ?? Reflect.get(target, name) }));
      const told: string[] = [];
      const notes: string[] = [];
      try {
        const device = await openDevice(
          { backend: "wasm", threads: 1, native },
          (text) => notes.push(text),
          (text) => told.push(text),
        );
        device.close();
      } finally {
        vi.unstubAllGlobals();
      }
      expect(notes).toEqual(native === "off" ? [] : ["machine code is not used: there is none for other-x64 (--native off silences this)"]);
      return told;
    };
    expect(await hints("20.16.0")).toEqual(["without machine code, Node 24 or newer trains about 1.5 times as fast as Node 20"]);
    expect(await hints("24.0.0")).toEqual([]);
    // Whoever switches it off knows.
    expect(await hints("20.16.0", "off")).toEqual([]);
  });

  test("is done without where it cannot be had, which is told once; whoever insists is refused", async () => {
    vi.stubGlobal("process", new Proxy(process, { get: (target, name) => (name === "arch" ? "riscv64" : Reflect.get(target, name)) }));
    try {
      const told: string[] = [];
      (await openDevice({ backend: "wasm", threads: 1, native: "auto" }, (text) => told.push(text))).close();
      expect(told).toEqual([`machine code is not used: there is none for ${process.platform}-riscv64 (--native off silences this)`]);
      for (const backend of ["wasm", "auto"] as const) {
        const insisted = openDevice({ backend, threads: 1, native: "on" }, () => {});
        await expect(insisted).rejects.toThrow(`--native (="on") does not work here: there is none for ${process.platform}-riscv64`);
      }
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
