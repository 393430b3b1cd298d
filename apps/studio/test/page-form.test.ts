/** @file What is on the page before a training: its form, its address, its images. */
import type { Page, Route } from "playwright-core";
import { describe, expect, test } from "vitest";
import { inState, openPage, page, queryOf, SETTINGS, text, useStudio } from "./support/studio.ts";

useStudio();

test("the form is made of the declared options: it refuses what they refuse, and says why", async () => {
  await openPage(queryOf({ ...SETTINGS, epochs: 1 }));
  await inState("idle");
  const epsilon = page.locator("[name=epsilon]");
  await epsilon.fill("0.031");
  expect(await text("#setting-epsilon-wrong")).toContain("write 8/255 (or 8) if a share of the pixel range is meant, 0.031/255 if a part of one step is");
  expect(await epsilon.getAttribute("aria-invalid")).toBe("true");
  for (const [written, wrong] of [
    ["256", true],
    ["many", true],
    ["0", false],
    ["10/255", false],
  ] as const) {
    await epsilon.fill(written);
    expect([written, (await epsilon.getAttribute("aria-invalid")) === "true"]).toEqual([written, wrong]);
  }
  await expect.poll(() => new URL(page.url()).searchParams.get("epsilon")).toBe("10");
  await page.fill("[name=epochs]", "1.5");
  expect(await text("#setting-epochs-wrong")).toContain("must be an integer of at least 1");
  // Nothing is started with what the field had before.
  await page.waitForSelector("#start:disabled");
  expect(await text("#start-wrong")).toMatch(/^Nothing is started while a setting is wrong: epochs \(=1\.5\) must be/);
  await page.fill("[name=epochs]", "1");
  await page.waitForSelector("#start:enabled");
  // Of a method that is left nothing is wrong any more.
  await page.selectOption("[name='left.method']", "fgsm-gradalign");
  await page.fill("[name='left.lambda']", "x");
  await page.waitForSelector("#start:disabled");
  await page.selectOption("[name='left.method']", "fgsm");
  await page.waitForSelector("#start:enabled");

  // Another method has other options; λ follows from the radius until it is given.
  expect(await page.locator("[name='left.lambda']").count()).toBe(0);
  await page.selectOption("[name='left.method']", "fgsm-gradalign");
  expect(await page.getAttribute("[name='left.lambda']", "placeholder")).toBe("0.3557");
  await page.fill("[name='left.lambda']", "2");
  await expect.poll(() => new URL(page.url()).searchParams.get("left.lambda")).toBe("2");
  await page.selectOption("[name='left.method']", "pgd");
  await expect.poll(() => new URL(page.url()).searchParams.get("left.lambda")).toBeNull();

  await page.click("text=In a smaller ball FGSM may do");
  await expect.poll(() => Object.fromEntries(new URL(page.url()).searchParams)).toMatchObject({ claim: "radius", "left.epsilon": "6", "right.method": "fgsm" });
  await page.click("text=What was measured before, in full");
  await page.waitForSelector(".committed svg");
  expect(await text(".result figcaption")).toMatch(/^Robustness against the radius of the attack\. PGD-50-1, .*, seed 1\. /);
  await page.click("text=FGSM collapses, GradAlign does not");
  await expect.poll(() => text(".result figcaption")).toBe("Accuracy. On test images, seed 1; dashed: where catastrophic overfitting was found.");
});

test("an address that says nonsense is told, and the rest of it is taken; of images there is the last", async () => {
  await openPage("?epsilon=0.5&seed=7&left.lambda=x&colour=red&at=-1&right.zero=a&image=123456");
  await inState("idle");
  await page.waitForSelector("#problem");
  const said = (await text("#problem")) ?? "";
  for (const name of ["epsilon", "lambda", "colour", "at=-1", "right.zero"]) expect(said).toContain(name);
  expect(said).toContain("There is no test image 123456, they go from 0 to 149");
  expect(new URL(page.url()).searchParams.get("image")).toBe("149");
  for (const [written, taken] of [
    ["99999", "149"],
    ["-3", "0"],
    ["1.5", "2"],
  ] as const) {
    await page.fill("[name=image]", written);
    await page.locator("[name=image]").blur();
    await expect.poll(() => page.inputValue("[name=image]")).toBe(taken);
  }
  expect(await page.inputValue("[name=seed]")).toBe("7");
  expect(await page.inputValue("[name=epsilon]")).toBe("10");
});

describe("a part of the data", () => {
  /** Damages the first `times` answers for a part. */
  const damage = (times: number) => (opened: Page) =>
    opened.route("**/data/train-2000-*.bin", async (route: Route) => {
      const response = await route.fetch();
      const body = await response.body();
      if (times-- > 0) body[5] = (body[5] as number) ^ 1;
      await route.fulfill({ response, body });
    });

  test("that arrives damaged is fetched again", async () => {
    await openPage(undefined, damage(1));
    await inState("idle");
    expect(await text("#numbers")).toBe("2,300 training and 150 test images of stripes");
  });

  test("that stays damaged is not trained on, until it arrives whole", async () => {
    await openPage(undefined, damage(4));
    await inState("broken");
    expect(await text("#problem")).toMatch(/^The images could not be had: train-2000-[0-9a-f]{8}\.bin must have the checksum/);
    expect(await page.isDisabled("#start")).toBe(true);
    await page.click("text=Try again");
    await inState("idle");
    expect(await page.isDisabled("#start")).toBe(false);
  });
});
