/** @file Logits and input gradients that PyTorch computed for the networks of `fixtures/checkpoints`, and ours beside them. */
import { readFileSync } from "node:fs";
import { broadcastAlong, createDevice, type Device, div, grad, jit, sub, sum, tensor, type Value } from "@gradalign/tensor";
import { afterAll, beforeAll, expect } from "vitest";
import { Fixture, relativeError } from "../../../tensor/test/support/fixtures.ts";
import type { Model } from "../../src/models/model.ts";
import { crossEntropyPerExample } from "../../src/nn/cross-entropy.ts";
import type { Params } from "../../src/nn/params.ts";

const FOLDER = new URL("../fixtures/checkpoints/", import.meta.url);
const answers = await Fixture.read(new URL("answers.safetensors", FOLDER));

/** A file of the folder. */
export const checkpoint = (name: string): Uint8Array => readFileSync(new URL(name, FOLDER));

/** What is compared: a model with its tensors, and what is done to its images first. */
export interface Candidate {
  readonly model: Model;
  readonly params: Params;
  readonly state: Params;
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

/** Devices for a file's tests, and the comparison on each of them: relative errors of 1e-4 at most. */
export function openComparison(): (name: string, candidate: Candidate, given?: Pick<Fixture, "get" | "tensor">) => void {
  let devices: Device[] = [];
  beforeAll(async () => {
    devices = [await createDevice({ threads: 2 })];
  });
  afterAll(() => {
    for (const device of devices) device.close();
  });
  return (name, { model, params, state, normalization: { mean = [0], std = [1] } = {} }, given = answers) => {
    const x = given.tensor(`${name}/x`);
    const labels = tensor(Int32Array.from(x.data().slice(0, x.shape[0]), (_, i) => i));
    const perChannel = (list: readonly number[], shape: readonly number[]): Value =>
      list.length === 1 ? tensor(Float32Array.of(list[0]!), []) : broadcastAlong(tensor(Float32Array.from(list)), shape, [1]);
    const logits = (x: Value): Value => model.apply(params, state, div(sub(x, perChannel(mean, x.shape)), perChannel(std, x.shape)), { train: false }).logits;
    for (const device of devices) {
      const compute = jit((x: Value) => ({ logits: logits(x), gradient: grad((x: Value) => sum(crossEntropyPerExample(logits(x), labels)))(x) }), { device });
      for (const [what, result] of Object.entries(compute(x))) {
        const expected = given.get(`${name}/${what}`);
        expect(result.shape).toEqual(expected.shape);
        expect(relativeError(result.data(), expected.data), `${what} of ${name} on ${device.backend}`).toBeLessThan(1e-4);
      }
      compute.dispose();
    }
  };
}
