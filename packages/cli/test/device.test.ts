/** @file Where a resumed run is computed. */
import { describe, expect, test } from "vitest";
import type { RunMachine } from "../src/report/report-data.ts";
import { machineOf, resumedDevice } from "../src/run/device.ts";

const noted: RunMachine = { backend: "webgpu", threads: 1, version: "0.1.0", node: "20.0.0", device: { precision: "f16", tensorCores: "auto" } };

function resumed(given: Parameters<typeof resumedDevice>[0], before: RunMachine | null = noted) {
  const notes: string[] = [];
  return { settings: resumedDevice(given, before ?? undefined, (text) => notes.push(text)), notes };
}

describe("a resumed run", () => {
  test("goes on where it was computed before", () => {
    expect(resumed({ threads: 2 })).toEqual({ settings: { backend: "webgpu", precision: "f16", tensorCores: "auto", threads: 2 }, notes: [] });
  });

  test("takes another backend without the first one's options, and says that numbers will differ", () => {
    const { settings, notes } = resumed({ backend: "wasm" });
    expect(settings).toEqual({ backend: "wasm" });
    expect(notes[0]).toBe("the run was computed with --backend webgpu so far and goes on with wasm: its numbers will differ from an undisturbed run's");
    expect(notes[1]).toMatch(/--precision f16 so far and goes on with f32/);
  });

  test("says it of the precision too", () => {
    const { settings, notes } = resumed({ precision: "f32" });
    expect(settings).toMatchObject({ backend: "webgpu", precision: "f32" });
    expect(notes).toEqual([expect.stringMatching(/--precision f16 so far and goes on with f32/)]);
  });

  test("without notes is as if it were new", () => {
    expect(resumed({ threads: 2 }, null)).toEqual({ settings: { threads: 2 }, notes: [] });
  });

  test("notes what was asked for, and reads it back", () => {
    const device = { backend: "webgpu", threads: 1 } as Parameters<typeof machineOf>[0];
    const asked = { precision: "f16", softwareGpu: "yes", threads: 4 } as const;
    const machine = JSON.parse(JSON.stringify(machineOf(device, asked))) as RunMachine;
    expect(machine.device).toEqual({ precision: "f16", softwareGpu: "yes" });
    expect(resumed({}, machine).settings).toEqual({ backend: "webgpu", precision: "f16", softwareGpu: "yes" });
    expect(machineOf(device, { threads: 4 })).not.toHaveProperty("device");
  });
});
