/** @file This machine's GPU against the float64 reference: every operation's samples, and a small network's gradients; prints one line of JSON.
 *
 * node conformance.mjs [--precision float32|float16] [--tensor-cores on] [--software] */
import { parseArgs } from "node:util";
import { createDevice, type Device, grad, jit, type Tensor } from "@gradalign/tensor";
import { nodeGpu } from "gradalign/node";
import { relativeError } from "../../packages/tensor/test/support/relative-error.ts";
import { runSample, samples } from "../../packages/tensor/test/support/samples.ts";
import { type Network, networkInputs, networkLoss } from "../../packages/tensor/test/support/small-network.ts";
import { toleranceOf } from "../../packages/tensor/test/support/tolerances.ts";

const { values: options } = parseArgs({
  options: {
    precision: { type: "string", default: "float32" },
    "tensor-cores": { type: "string", default: "off" },
    software: { type: "boolean", default: false },
  },
});
const half = options.precision === "float16";
const tensorCores = options["tensor-cores"] as "on" | "off";
const device = await createDevice({
  backend: "webgpu",
  gpu: await nodeGpu({ experimental: tensorCores !== "off" }),
  allowSoftware: options.software,
  precision: half ? "float16" : "float32",
  tensorCores,
});
const reference = await createDevice({ backend: "reference" });
const failures: { name: string; error: number }[] = [];
let worst = { name: "", share: 0 };

function judge(name: string, error: number, tolerance: number): void {
  const share = error === 0 ? 0 : error / tolerance;
  if (!(share < 1)) failures.push({ name, error });
  if (share > worst.share) worst = { name, share };
}

for (const { operation, sample, name } of samples) {
  const [actual, expected] = await Promise.all([device, reference].map((on: Device) => runSample(operation, sample, on)));
  // Products of float16 are good to eleven bits.
  judge(name, relativeError(actual!, expected!), half ? Math.max(toleranceOf(operation).value, 5e-3) : toleranceOf(operation).value);
}
const gradients = async (on: Device): Promise<Record<string, ArrayLike<number>>> => {
  const result = jit((network: Network) => grad((n: Network) => networkLoss(n))(network as never), { device: on })(networkInputs()) as Record<string, Tensor>;
  return Object.fromEntries(await Promise.all(Object.entries(result).map(async ([name, value]) => [name, await value.read()] as const)));
};
const [expected, first] = [await gradients(reference), await gradients(device)];
// Measuring chooses other tiles, and drops tensor cores that compute wrongly.
await device.tune?.();
const tuned = await gradients(device);
for (const name of Object.keys(expected)) {
  judge(`gradient of ${name}`, relativeError(first[name]!, expected[name]!), half ? 5e-3 : 2e-5);
  judge(`gradient of ${name}, tuned`, relativeError(tuned[name]!, expected[name]!), half ? 5e-3 : 2e-5);
}
process.stdout.write(`${JSON.stringify({ gpu: (device as Device & { name: string }).name, samples: samples.length, failures, worst })}\n`);
device.close();
process.exit(failures.length > 0 ? 1 : 0);
