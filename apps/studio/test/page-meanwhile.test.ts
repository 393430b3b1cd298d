/** @file While a training goes on: the page stays free, its tooltips stay, its figures fit. One page for all tests. */
import { expect, test } from "vitest";
import {
  drop,
  dropProblem,
  inState,
  LONG,
  longestTask,
  looked,
  lookInside,
  measured,
  openPage,
  page,
  queryOf,
  save,
  start,
  useStudio,
} from "./support/studio.ts";

useStudio();

test("no task of the page's main thread takes 50 ms of the processor, and nothing on it jumps", async () => {
  // What else the machine does makes tasks longer, never shorter: up to three fresh pages are looked at, and the best one counts.
  let longest = Number.POSITIVE_INFINITY;
  for (let pages = 0; pages < 3 && longest >= 50; pages++) {
    await openPage(queryOf(LONG));
    await inState("idle");
    const own = await longestTask(async () => {
      await start();
      await measured();
      await lookInside();
      await looked();
      await page.waitForFunction(() => Number(/epoch (\d+)/.exec(document.querySelector("#numbers")?.textContent ?? "")?.[1]) >= 8);
    });
    longest = Math.min(longest, own);
  }
  expect(longest).toBeLessThan(50);
  const jumps = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries().reduce((sum, entry) => sum + (entry as unknown as { value: number }).value, 0))).observe({
          type: "layout-shift",
          buffered: true,
        });
        setTimeout(() => resolve(0), 200);
      }),
  );
  // What Core Web Vitals call good.
  expect(jumps).toBeLessThan(0.1);
});

test("a tooltip is there wherever a panel is pointed at, and stays while the panel is drawn anew", async () => {
  const svg = page.locator("[data-side=left] figure:nth-of-type(1) svg").first();
  await svg.waitFor();
  const tip = () => page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=tip]").first().textContent();
  // The points are all at the left; the pointer is far from them. The panel may be drawn anew between the two.
  let nudge = 0;
  const pointed = async (): Promise<string | null> => {
    await svg.evaluate((drawn) => drawn.scrollIntoView({ block: "center" }));
    const box = await svg.boundingBox();
    if (!box) return null;
    await page.mouse.move(box.x + 0.9 * box.width + (nudge++ % 2), box.y + 0.5 * box.height);
    return tip();
  };
  await expect.poll(pointed, { timeout: 20_000 }).toMatch(/(clean|FGSM|PGD-10).*epoch \d+\.\d\d: \d+\.\d %/);
  await svg.evaluate((drawn) => drawn.setAttribute("data-old", ""));
  await page.waitForFunction(() => document.querySelector("[data-side=left] figure svg")?.hasAttribute("data-old") === false);
  await expect.poll(tip, { timeout: 20_000 }).toMatch(/epoch \d+\.\d\d/);
});

test("figures have the width of their boxes after the window was resized, and stopping ends both sides", async () => {
  await page.click("#pause");
  await inState("paused");
  const widths = () =>
    page.locator(".drawing:has(svg)").evaluateAll((boxes) => boxes.map((box) => [box.clientWidth, Number(box.querySelector("svg")?.getAttribute("width"))]));
  const [wide] = await widths();
  for (const width of [700, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    await expect.poll(async () => (await widths()).every(([box, svg]) => box === svg)).toBe(true);
    if (width === 700) expect((await widths())[0]).not.toEqual(wide);
  }
  expect((await widths()).length).toBeGreaterThanOrEqual(4);
  // What cannot be taken beside it is refused in words.
  for (const field of ["run", "data"]) {
    expect(await drop(field, ["config.json"])).toBe(false);
    await expect.poll(() => dropProblem(field)).toBe("Stop the training that is open first.");
  }
  await page.click("#stop");
  await inState("idle");
  expect(await dropProblem("run")).toBeUndefined();
  expect((await save()).map(({ end }) => end)).toEqual(["stopped", "stopped"]);
});
