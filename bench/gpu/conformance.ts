/** @file Every operation's samples on this machine's GPU against the float64 reference; prints one line of JSON. */
import { createDevice, type Device } from "@gradalign/tensor";
import { nodeGpu } from "gradalign/node";
import { relativeError } from "../../packages/tensor/test/support/relative-error.ts";
import { runSample, samples, toleranceOf } from "../../packages/tensor/test/support/samples.ts";

const device = await createDevice({ backend: "webgpu", gpu: await nodeGpu(), allowSoftware: process.argv.includes("--software") });
const reference = await createDevice({ backend: "reference" });
const failures: { name: string; error: number }[] = [];
let worst = { name: "", share: 0 };
for (const { operation, sample, name } of samples) {
  const [actual, expected] = await Promise.all([device, reference].map((on: Device) => runSample(operation, sample, on)));
  const error = relativeError(actual!, expected!);
  const share = error / toleranceOf(operation);
  if (!(share < 1)) failures.push({ name, error });
  if (share > worst.share) worst = { name, share };
}
process.stdout.write(`${JSON.stringify({ gpu: (device as Device & { name: string }).name, samples: samples.length, failures, worst })}\n`);
device.close();
process.exit(failures.length > 0 ? 1 : 0);
