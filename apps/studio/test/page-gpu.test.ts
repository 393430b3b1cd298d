/** @file WebGPU on the page, imitated by the processor: chosen, lost, absent. */
import { describe, expect, test } from "vitest";
import { FAST_SWIFTSHADER, launchChromium } from "../../../tools/browser.ts";
import type { Report } from "../src/protocol.ts";
import { inNode, inState, measurements, openPage, page, queryOf, SETTINGS, save, start, text, useStudio } from "./support/studio.ts";

useStudio(FAST_SWIFTSHADER);

// Shaders compile slowly here: both sides share them.
const BOTH_FGSM = { "left.method": "fgsm", "right.method": "fgsm" };
const small = { ...SETTINGS, trainSize: 128, epochs: 1, evalEvery: 1, evalExamples: 8 };

describe("WebGPU on a processor", () => {
  test("trains when it is chosen, close to WebAssembly; when it is lost in the middle, the run goes on to the same bits", { timeout: 300_000 }, async () => {
    const longer = { ...small, trainSize: 384 };
    await openPage(queryOf(longer, { backend: "webgpu", ...BOTH_FGSM }));
    page.setDefaultTimeout(290_000);
    const worker = page.workers()[0] ?? (await page.waitForEvent("worker"));
    // The first device opened here is destroyed once both sides have a checkpoint.
    await worker.evaluate(() => {
      const { requestDevice } = GPUAdapter.prototype;
      const { postMessage } = globalThis;
      GPUAdapter.prototype.requestDevice = async function (descriptor) {
        GPUAdapter.prototype.requestDevice = requestDevice;
        const device = await requestDevice.call(this, descriptor);
        const saved = new Set<string>();
        globalThis.postMessage = (message: Report) => {
          postMessage(message);
          if (message.type !== "training" || message.event.type !== "checkpoint" || message.event.kind !== "last") return;
          if (saved.add(message.side).size < 2) return;
          globalThis.postMessage = postMessage;
          device.destroy();
        };
        return device;
      };
    });
    await start();
    await inState("paused");
    expect(await text("#problem")).toMatch(
      /^webgpu: the GPU was lost \(.*\); open the device again and go on from the last checkpoint\. “Continue” does so, from iteration 1,/,
    );
    expect(await text("#device")).toMatch(/^WebGPU \(.*swiftshader/i);
    await page.click("text=Continue");
    await inState("idle");
    expect(await page.locator("#problem").count()).toBe(0);
    const interrupted = measurements(await save());
    await start();
    await inState("idle");
    const whole = await save();
    expect(interrupted).toEqual(measurements(whole));
    const [expected] = await inNode(longer, ["fgsm"]);
    for (const { evaluations } of whole) {
      expect(evaluations.map((evaluation) => evaluation.iteration)).toEqual([0, 1, 2, 3]);
      for (const [i, { train_loss, gradient_alignment, test_pgd_loss }] of evaluations.entries()) {
        expect(train_loss).toBeCloseTo(expected?.[i]?.train_loss as number, 3);
        expect(gradient_alignment).toBeCloseTo(expected?.[i]?.gradient_alignment as number, 2);
        expect(test_pgd_loss).toBeCloseTo(expected?.[i]?.test_pgd_loss as number, 2);
      }
    }
  });

  test("that is not there is told, and the run counts as failed", async () => {
    const withoutGpu = await launchChromium(["--disable-gpu"]);
    try {
      await openPage(queryOf(small, { backend: "webgpu" }), undefined, withoutGpu);
      await start();
      await page.waitForSelector("#problem");
      expect(await text("#problem")).toMatch(/^webgpu: no adapter was found/);
      await inState("idle");
      expect(await page.locator(".verdict-line").allTextContents()).toEqual(Array(2).fill("It failed before the first measurement."));
    } finally {
      await withoutGpu.close();
    }
  });

  test("is not chosen by itself", async () => {
    await openPage(queryOf(small, { backend: "auto" }));
    await start();
    await inState("idle");
    expect(await text("#device")).toMatch(/^WebAssembly, \d+ threads? \(no GPU with WebGPU here\)$/);
  });
});
