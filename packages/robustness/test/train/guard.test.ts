/** @file The guard: its rule, when it looks, and that a run which was killed alarms and goes back as one that was not. */
import {
  type CheckpointSink,
  type PartialTrainConfig,
  resolveTrainConfig,
  type Snapshot,
  type TrainEvent,
  type TrainOptions,
  train,
} from "@gradalign/robustness";
import { createDevice, type Device, type Tensor } from "@gradalign/tensor";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type * as rule from "../../src/diagnostics/alarm.ts";
import { createGuard } from "../../src/train/guard.ts";
import { changedNumbers, type GuardChange } from "../../src/train/guard-change.ts";
import { tinyDataset } from "../support/tiny-dataset.ts";

const { isCollapse, lookedAt, NOTHING_SEEN } = await vi.importActual<typeof rule>("../../src/diagnostics/alarm.ts");
// A collapse cannot be had in a few steps: the rule is a stand-in here, which counts looks; the real one is tested by itself.
vi.mock("../../src/diagnostics/alarm.ts", () => ({
  NOTHING_SEEN: { aligned: 0 },
  lookedAt: ({ aligned }: rule.AlarmState) => ({ state: { aligned: aligned + 1 }, ...([6, 9].includes(aligned) ? { suspicion: "it is time" } : {}) }),
  isCollapse: () => true,
}));

let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => device.close());

describe("the rule", () => {
  it("suspects an alignment that fell below a third of its highest, and losses that fall under attack", () => {
    const { state } = lookedAt(NOTHING_SEEN, { attack_alignment: 0.9, fallen_losses: 0 });
    expect(lookedAt(state, { attack_alignment: 0.8, fallen_losses: 0.02 })).toEqual({ state });
    expect(lookedAt(state, { attack_alignment: 0.2, fallen_losses: 0 }).suspicion).toBe("alignment of attack and training fell from 0.90 to 0.20");
    expect(lookedAt(state, { attack_alignment: 0.8, fallen_losses: 0.5 }).suspicion).toBe("the loss of 50% of the examples fell under attack");
    expect(lookedAt(state, { attack_alignment: null, fallen_losses: null })).toEqual({ state });
  });

  it("confirms it where PGD finds what FGSM does not", () => {
    expect([isCollapse(0.5, 0.02), isCollapse(0.2, 0.08), isCollapse(0.4, 0.3), isCollapse(0.05, 0.01)]).toEqual([true, true, false, false]);
  });
});

describe("looks", () => {
  const guarded = (log: string[] = []) => ({
    signs: async () => ({ attack_alignment: null, fallen_losses: null }),
    probe: async () => {
      log.push("probe");
      return { fgsm: 0.5, pgd: 0 };
    },
    state: async () => new Map(),
    restore: () => {
      log.push("restore");
    },
  });

  it("are forty an epoch; states are half an epoch apart, and the older is restored", async () => {
    const log: string[] = [];
    const guard = await createGuard("rollback", guarded(log), 80);
    const alarms = [];
    for (let iteration = 1; iteration <= 80; iteration++) alarms.push(await guard.after(iteration));
    expect(log).toEqual(["probe", "restore", "probe", "restore"]);
    expect(alarms.flatMap((alarm) => (alarm ? [[alarm.iteration, alarm.restored]] : []))).toEqual([
      [14, 0],
      [20, 0],
    ]);
    expect(guard.record().kept).toEqual([40, 80]);
  });

  it("warn once, and keep nothing", async () => {
    const guard = await createGuard("warn", guarded(), 80);
    for (let iteration = 1; iteration <= 80; iteration++) await guard.after(iteration);
    expect(guard.alarms.map(({ iteration, restored }) => [iteration, restored])).toEqual([[14, null]]);
    expect(guard.tensors().size).toBe(0);
  });
});

const data = tinyDataset({ flip: true });
const small = { dataset: data, model: { name: "cnn", filters: 2 }, epochs: 3, batchSize: 4, evalEvery: 5, evalExamples: 8, epsilon: 8 / 255 } as const;

async function outcome(settings: PartialTrainConfig, options: Partial<TrainOptions> = {}) {
  const events: TrainEvent[] = [];
  const snapshots: Snapshot[] = [];
  const checkpoints: CheckpointSink = {
    save(kind, { tensors, ...rest }) {
      if (kind === "last") snapshots.push({ ...(JSON.parse(JSON.stringify(rest)) as Omit<Snapshot, "tensors">), tensors });
      return undefined;
    },
  };
  const onEvent = (event: TrainEvent) => {
    events.push(event);
  };
  const { params, evaluations } = await train(resolveTrainConfig({ ...small, ...settings }), data, {
    device,
    checkpoints,
    checkpointEvery: 1,
    onEvent,
    ...options,
  });
  const weights = Object.values(params).map((value) => [...new Uint32Array((value as Tensor).data().buffer)]);
  return { weights, snapshots, measured: evaluations.map(({ seconds: _, ...rest }) => rest), alarms: events.filter(({ type }) => type === "alarm") };
}

describe("rollback", () => {
  const cases: [GuardChange, PartialTrainConfig["method"] & string][] = [
    ["smaller-step", "fgsm"],
    ["gradalign", "fgsm"],
    ["noise", "n-fgsm"],
  ];
  it.each(cases)("with %s: killed at any point, the run goes on to the same bits", async (guardChange, method) => {
    const settings: PartialTrainConfig = { method, guard: "rollback", guardChange };
    const whole = await outcome(settings);
    expect(whole.alarms).toMatchObject([
      { iteration: 7, restored: 4, change: guardChange, evidence: expect.stringContaining("it is time; on a training batch FGSM accuracy is") },
      { iteration: 10, restored: 4 },
    ]);
    // Before the first alarm, and between the two.
    for (const iteration of [3, 8]) {
      const resume = whole.snapshots.find((snapshot) => snapshot.iteration === iteration) as Snapshot;
      const resumed = await outcome(settings, { resume });
      expect(resumed.weights).toEqual(whole.weights);
      expect(resumed.measured).toEqual(whole.measured);
    }
  });

  it("changes what comes after, and nothing before; a watched run without an alarm would train as one that is not watched", async () => {
    const [off, warned, rolled] = [
      await outcome({ method: "fgsm" }),
      await outcome({ method: "fgsm", guard: "warn" }),
      await outcome({ method: "fgsm", guard: "rollback" }),
    ];
    const sixth = ({ snapshots }: typeof off) => snapshots.find(({ iteration }) => iteration === 6)?.tensors.get("params/_model.0.weight")?.data;
    expect(sixth(rolled)).toEqual(sixth(off));
    expect(warned.weights).toEqual(off.weights);
    expect(rolled.weights).not.toEqual(off.weights);
    // A run that is not watched has neither measurements nor states of a guard.
    expect(off.measured.every((evaluation) => !("attack_alignment" in evaluation))).toBe(true);
    expect([...(off.snapshots.at(-1)?.tensors.keys() ?? [])].filter((name) => /^(guard|watched)\//.test(name))).toEqual([]);
    expect(warned.measured.at(-1)?.attack_alignment).toBeGreaterThan(0);
  });
});

describe("settings", () => {
  it("are refused where they could do nothing", () => {
    expect(() => resolveTrainConfig({ method: "standard", guard: "warn" })).toThrow(
      "config: guard (=warn) must be off for standard, which has no attack to watch",
    );
    expect(() => resolveTrainConfig({ method: "lap", guard: "rollback" })).toThrow(
      "config: guardChange (=smaller-step) must be another for lap, which has no stepSize",
    );
    expect(() => resolveTrainConfig({ method: "fgsm", guard: "rollback", guardChange: "noise" })).toThrow("which has no noise; write gradalign");
  });

  it("decide what an alarm changes, each alarm once more", () => {
    const numbers = { epsilon: 0.1, method: { stepSize: 0.1, noise: 0.2 }, optimizer: {} };
    const after = (guardChange: GuardChange, alarms: number) =>
      changedNumbers({ guard: "rollback", guardChange, dataset: "cifar10", epsilon: 8 / 255 }, numbers, alarms);
    expect(after("smaller-step", 2)).toEqual({ numbers: { ...numbers, method: { stepSize: 0.025, noise: 0.2 } }, addGradAlign: false });
    expect(after("noise", 1).numbers.method["noise"]).toBeCloseTo(0.3);
    expect(after("gradalign", 2).numbers.addedGradAlign).toBeCloseTo(0.4);
    expect(after("gradalign", 0)).toEqual({ numbers, addGradAlign: false });
  });
});
