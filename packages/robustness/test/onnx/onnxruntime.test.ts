/** @file Networks as we export them in onnxruntime: on 256 images the same logits to 1e-4 and the same predictions; the others are run by tools/oracle. */
import { createDevice } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { compareWithOnnxruntime, NETWORKS } from "../../../../tools/oracle/onnxruntime.mjs";
import { models } from "../../src/models/index.ts";

test.each(NETWORKS.filter(([file]) => /cnn|dm-preact/.test(file)))("%s", async (file, config) => {
  const device = await createDevice({ threads: 2 });
  const { difference, others } = await compareWithOnnxruntime(device, file, config);
  device.close();
  expect(difference).toBeLessThanOrEqual(1e-4);
  expect(others).toBe(0);
});

test("every built-in network is compared", () => {
  // ResNet-34 is ResNet-18's code with other numbers of blocks.
  const others = Object.keys(models).filter((name) => name !== "resnet34");
  expect([...new Set(NETWORKS.map(([, { name }]) => name))].sort()).toEqual(others.sort());
});
