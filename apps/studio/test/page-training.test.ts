/** @file A training on the page, in headless Chromium from the real server: Node's bits, what is drawn, and what is looked at when it has ended. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  inNode,
  inState,
  iteration,
  looked,
  lookInside,
  measurements,
  openPage,
  PAGE_FOLDER,
  page,
  queryOf,
  SETTINGS,
  save,
  text,
  type timeless,
  useStudio,
} from "./support/studio.ts";
import { expectUsable } from "./support/usable.ts";

useStudio();

// The page stays open from test to test: its training is looked at when it has ended.
describe("a training of both sides", () => {
  let expected: ReturnType<typeof timeless>[];
  beforeAll(async () => {
    expected = await inNode(SETTINGS);
  });

  test("loads less than 400 kB of script before it starts", async () => {
    // By the files' sizes: Chromium does not keep the body of all that it loads ahead.
    const scripts = new Set<string>();
    await openPage(queryOf(SETTINGS, { pace: "20", at: "77", "left.zero": "9" }), async (opened) => {
      opened.on("request", (request) => {
        const { pathname } = new URL(request.url());
        if (pathname.endsWith(".js")) scripts.add(pathname);
      });
    });
    await inState("idle");
    const bytes = () => [...scripts].reduce((sum, path) => sum + statSync(join(PAGE_FOLDER, path)).size, 0);
    await expect.poll(bytes).toBeGreaterThan(200_000);
    expect(bytes()).toBeLessThan(400_000);
  });

  test("that was paused and went on has the bits of one in Node; the page draws it and stays free", async () => {
    // An address may ask for an epoch without a training, and for filters that there are not.
    expect(await text("[for=epoch]")).toBe("Now");
    await page.focus("#start");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#pause:focus");
    await page.waitForFunction(() => document.querySelectorAll("[data-side=right] figure:nth-of-type(1) [aria-label=dot] circle").length >= 6);
    expect(await text("#numbers")).toMatch(/^iteration \d+ of 24, epoch \d+\.\d[\d,]+ images\/s, \d+ s left$/);
    await page.click("#pause");
    await inState("paused");
    const paused = await iteration();
    const points = (await save())[0]?.evaluations.length as number;
    expect(points).toBeLessThan(7);
    await page.waitForTimeout(200);
    expect(await iteration()).toBe(paused);
    expect((await save())[0]?.evaluations.length).toBe(points);

    await page.selectOption("[name=pace]", "null");
    await page.click("text=Continue");
    await inState("idle");
    expect(await text("#numbers")).toBe("iteration 24 of 24, epoch 6.0");
    await expect.poll(() => page.locator("#progress").evaluate((bar) => (bar as HTMLProgressElement).value)).toBe(1);
    const saved = await save();
    expect(saved.map(({ label, end }) => [label, end])).toEqual([
      ["FGSM, ε 10/255, seed 3", "ended"],
      ["FGSM + GradAlign, ε 10/255, seed 3", "ended"],
    ]);
    expect(measurements(saved)).toEqual(expected);

    const shown = await page.locator("[data-key=test_clean_acc]").allTextContents();
    expect(shown).toEqual(saved.map(({ evaluations }) => `${(100 * (evaluations.at(-1)?.test_clean_acc as number)).toFixed(1)} %`));
    expect(await page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=dot] circle").count()).toBe(21);
    // Training is the worker's and its threads'.
    const threads = Number((await text("#device"))?.match(/^WebAssembly, (\d+) threads?$/)?.[1]);
    expect(page.workers()).toHaveLength(threads);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("is looked at with an image of a file, and a drawing", async () => {
    await lookInside();
    await looked("left");
    await expect.poll(() => text("#problem")).toContain("The left network has filters 1 to 4; others cannot be set to zero.");
    const red = await page.evaluate(() => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 8;
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      context.fillStyle = "#ff0000";
      context.fillRect(0, 0, 8, 8);
      return canvas.toDataURL().split(",")[1] as string;
    });
    await page.setInputFiles(".look .drop input[type=file]", { name: "red.png", mimeType: "image/png", buffer: Buffer.from(red, "base64") });
    await expect.poll(() => text(".look .picker .label")).toBe("an image of yours");
    const corner = () =>
      page
        .locator("[data-look=left] canvas")
        .first()
        .evaluate((canvas) => [...((canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, 1, 1).data ?? [])]);
    await expect.poll(corner).toEqual([255, 0, 0, 255]);
    // Nobody knows what it shows: no answer is marked as right.
    const answers = page.locator("[data-look=left] .answers li");
    expect(await answers.count()).toBe(9);
    expect((await answers.allTextContents()).join()).not.toContain("✓");
    expect(await page.locator("[data-look=left] .answers .right").count()).toBe(0);
    expect(await text("[data-look=left] .caption")).toMatch(/The attacks lead away from the network's own answer, class \d\./);

    await page.click("text=Draw on it");
    await page.fill("input[type=color]", "#0000ff");
    await page.locator(".sketch canvas").click({ position: { x: 4, y: 4 } });
    await expect.poll(corner).toEqual([0, 0, 255, 255]);
    await page.setInputFiles(".look .drop input[type=file]", { name: "note.png", mimeType: "image/png", buffer: Buffer.from("no image") });
    await expect.poll(() => text(".look .drop .wrong")).toContain("note.png is no image");
    await page.click("text=Draw on it");
  });

  test("is looked at by image, epoch and filters that are set to zero, and the address keeps all of it", async () => {
    const epoch = (side: string) => text(`[data-look=${side}] .epoch`);
    await expect.poll(() => epoch("left")).toBe("6.0");
    expect(await page.locator("[data-look=left] .attack").count()).toBe(3);
    expect(await page.locator("[data-look=left] svg").count()).toBe(2);

    // Forth to the end, whatever step the time line has.
    await page.locator("#epoch").fill("3");
    await expect.poll(() => text("[for=epoch]")).toBe("Epoch 3.0");
    await page.focus("#epoch");
    await page.keyboard.press("End");
    await expect.poll(() => text("[for=epoch]")).toBe("Now");
    await page.locator("#epoch").fill("3");
    await page.focus("#now");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#epoch:focus");
    // Back to the third epoch: numbers, models and the address.
    await page.locator("#epoch").fill("3");
    await expect.poll(() => epoch("left")).toBe("3.0");
    await expect.poll(() => epoch("right")).toBe("3.0");
    const [left] = await save();
    const then = left?.evaluations.find((evaluation) => evaluation.epoch === 3)?.test_clean_acc as number;
    expect(await text("[data-side=left] [data-key=test_clean_acc]")).toBe(`${(100 * then).toFixed(1)} %`);

    expect(await text("[data-side=left] h2")).toBe("FGSM, ε 10/255, seed 3, at epoch 3.0");

    await page.click("#next-image");
    await expect.poll(() => text(".look .picker .label")).toBe("class 1");
    const zeroes = await page.evaluate(async () => {
      const box = document.querySelector<HTMLInputElement>("[data-look=right] .filter.grown input") as HTMLInputElement;
      box.click();
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
      return box.checked;
    });
    expect(zeroes).toBe(true);
    await page.waitForFunction(() => /^Without w\d: gradient alignment \d\.\d\d/.test(document.querySelector("[data-look=right] .without")?.textContent ?? ""));
    expect(await text("[data-look=left] .without")).toMatch(/^u are the weights/);
    await page.selectOption("[name=across]", "pgd");
    await page.waitForSelector("[data-look=left] svg[aria-description*='PGD:']");
    // On a telephone everything has room; nobody is left out, in light and dark.
    await expectUsable(page);
    await page.setViewportSize({ width: 320, height: 844 });
    const cut = (answers: Element[]) =>
      answers.filter(({ parentElement: row, scrollWidth, scrollHeight }) => row && (scrollWidth > row.clientWidth || scrollHeight > row.clientHeight));
    expect(await page.locator(".answers .text").evaluateAll(cut)).toEqual([]);
    const labels = () =>
      page.locator("[data-side] .drawing svg").evaluateAll((drawings) =>
        drawings.flatMap((drawing) => {
          const end = drawing.getBoundingClientRect().right;
          const words = [...drawing.querySelectorAll("text")].filter(({ textContent }) =>
            ["clean", "FGSM", "PGD-10", "alignment", "cos δ"].includes(textContent),
          );
          return words.map((word) => `${word.textContent}${word.getBoundingClientRect().right > end ? " is cut" : ""}`);
        }),
      );
    const side = ["clean", "FGSM", "PGD-10", "alignment", "cos δ"];
    await expect.poll(labels).toEqual([...side, ...side]);
    const query = new URL(page.url()).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({ epsilon: "10", seed: "3", at: "3", image: "1", across: "pgd", "left.method": "fgsm" });
    expect(query.get("right.zero")).toMatch(/^\d$/);

    // A link gives the same page.
    const before = page.url();
    await page.goto("about:blank");
    await page.goto(before);
    expect(await page.inputValue("[name=image]")).toBe("1");
    expect(await page.inputValue("[name=across]")).toBe("pgd");
    expect(await page.inputValue("[name=epsilon]")).toBe("10");
    expect(await page.inputValue("[name='right.method']")).toBe("fgsm-gradalign");
  });
});
