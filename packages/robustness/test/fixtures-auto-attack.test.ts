/** @file APGD's course and Square's schedule against PyTorch: when steps are halved, whole runs from a given start, how large patches are when. */
import { jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { openDevices } from "../../tensor/test/support/devices.ts";
import { type ApgdProgress, apgdCe, checkWindows, progressed, stateAt } from "../src/attacks/apgd.ts";
import type { Attack } from "../src/attacks/attack.ts";
import { attackOptions } from "../src/attacks/options.ts";
import { patchShare, patchSide } from "../src/attacks/square-patches.ts";
import { modelClassifier } from "../src/attacks/victim.ts";
import { attackProgram } from "../src/eval/attack-program.ts";
import { classifierPrograms } from "../src/eval/programs.ts";
import { cnn } from "../src/models/cnn.ts";
import { crossEntropyPerExample } from "../src/nn/cross-entropy.ts";
import { MARGIN } from "../src/threat/examples.ts";
import { l2 } from "../src/threat/l2.ts";
import { linf } from "../src/threat/linf.ts";
import { Fixture, relativeError } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/attacks.safetensors", import.meta.url));
const weights = await Fixture.read(new URL("./fixtures/weights/cnn.safetensors", import.meta.url));
const { reference, tested } = await openDevices();
const numbers = (values: Iterable<number>): number[] => [...values];

describe("APGD", () => {
  test.each([1, 2, 5, 10, 20, 50, 100, 1000])("checks after the same of %s steps", (steps) => {
    const after = [...checkWindows(steps).keys()].map((iteration) => iteration + 1);
    expect(after).toEqual(numbers(fixture.numbers(`apgd/checkpoints/${steps}`)));
  });

  test.each([20, 100])("halves the same steps of %s", (steps) => {
    const { data } = fixture.get("apgd/losses");
    const start = fixture.tensor("apgd/start");
    const count = start.shape[0] as number;
    const advance = jit((state: ApgdProgress, losses: Value, check: Value, fewest: Value) => progressed(state, losses, { check, fewest }), {
      device: reference,
    });
    const none = (): Tensor => tensor(new Float32Array(count));
    let state = { bestLoss: start, loss: none(), rises: none(), checkedLoss: start, halved: tensor(new Float32Array(count).fill(1)), length: none() };
    const windows = checkWindows(steps);
    const halved: number[] = [];
    for (let iteration = 0; iteration < steps; iteration++) {
      const window = windows.get(iteration);
      const losses = Float32Array.from(data.subarray(iteration * count, (iteration + 1) * count));
      state = advance(state, losses, window === undefined ? 0 : 1, 0.75 * (window ?? 0));
      if (window !== undefined) halved.push(...state.halved.data());
    }
    expect(halved).toEqual(numbers(fixture.numbers(`apgd/halved/${steps}`)));
  });

  test.each(tested.flatMap(([name, device]) => [linf, l2].map((threat) => ({ on: name, in: threat.name, device, threat }))))(
    "runs as PyTorch's does, $in on $on",
    async ({ device, threat }) => {
      const prefix = `run/${threat.name}/`;
      const [x, start] = [fixture.tensor(`${prefix}x`), fixture.tensor(`${prefix}start`)];
      const labels = tensor(Int32Array.from(fixture.get(`${prefix}labels`).data));
      const [exact = 0] = fixture.numbers(`${prefix}epsilon`);
      // The ball of l2 is a little smaller than its radius, so that rounding does not lead out of it.
      const epsilon = threat === l2 ? exact / (1 - MARGIN) : exact;
      const params = Object.fromEntries(["_model.0.weight", "_model.0.bias", "_model.3.weight", "_model.3.bias"].map((name) => [name, weights.tensor(name)]));
      const programs = classifierPrograms(modelClassifier(cnn()), device);
      const fromStart: Attack = {
        ...apgdCe,
        init: (site) =>
          stateAt(
            site,
            start,
            site.victim.gradient(start, (logits) => crossEntropyPerExample(logits, site.labels)),
          ),
      };
      const options = { ...attackOptions(apgdCe), steps: 20 };
      const program = attackProgram(programs, fromStart, options, threat);
      const rows = { x, labels, target: labels, keys: tensor(new Int32Array(4), [2, 2]) };
      const at = (iteration: number) => ({ run: 0, iteration, epsilon, threat, shape: [3, 32, 32] });
      const tensors = { params, state: {} };
      let state = program.begin(tensors, rows, at(0));
      const [losses, lengths]: number[][] = [[], []];
      for (let iteration = 0; iteration < options.steps; iteration++) {
        const length = await (state["length"] as Tensor).read();
        lengths?.push(...length);
        state = program.step(tensors, rows, state, at(iteration));
        losses?.push(...(await (state["loss"] as Tensor).read()));
        const step = iteration + 1;
        const later = await (state["length"] as Tensor).read();
        // At a check some points go back to the best one, which the fixture does after the point it holds.
        if (![1, 2, 5, 12, 20].includes(step) || later.some((value, i) => value !== length[i])) continue;
        expect(relativeError(await (state["point"] as Tensor).read(), fixture.get(`${prefix}point/${step}`).data), `step ${step}`).toBeLessThan(1e-4);
      }
      expect(relativeError(Float64Array.from(losses ?? []), fixture.get(`${prefix}losses`).data)).toBeLessThan(1e-4);
      // Where the loss has come to rest, whether it still rises is a matter of rounding.
      const course = numbers(fixture.get(`${prefix}losses`).data);
      const rest = course.findIndex((loss, i) => i >= 2 && Math.abs(loss - (course[i - 2] as number)) < 2e-6);
      const known = rest < 0 ? course.length : 2 * Math.floor(rest / 2);
      expect(known).toBeGreaterThan(20);
      expect(relativeError(Float64Array.from(lengths ?? []).slice(0, known), fixture.get(`${prefix}step-sizes`).data.slice(0, known))).toBeLessThan(1e-4);
      programs.dispose();
    },
  );
});

describe("Square", () => {
  const iterations = numbers(fixture.numbers("square/iterations"));

  test("covers the same part of the pixels at every iteration", () => {
    expect(iterations.map((iteration) => patchShare(0.8, iteration))).toEqual(numbers(fixture.numbers("square/parts")));
  });

  test.each(["linf", "l2"].flatMap((norm) => [28, 32].map((side) => ({ norm, side }))))("patches of images of $side pixels in $norm", ({ norm, side }) => {
    const sides = iterations.map((iteration) => patchSide(patchShare(0.8, iteration), side, side, norm === "l2"));
    expect(sides).toEqual(numbers(fixture.numbers(`square/windows/${norm}/${side}`)));
  });
});
