/** @file Runs every example and checks that its model learned something. */
import { expect, test, vi } from "vitest";
import { readText } from "./support/code-blocks.ts";

/** What a module prints while it runs. */
async function output(run: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((text: string) => void lines.push(text));
  try {
    await run();
  } finally {
    log.mockRestore();
  }
  return lines.join("\n");
}

/** The numbers at the group of each match. */
const numbers = (text: string, pattern: RegExp): number[] => [...text.matchAll(pattern)].map((match) => Number(match[1]));

function losses(text: string): [first: number, last: number] {
  const all = numbers(text, /loss ([\d.]+)/g);
  return [all[0] as number, all[all.length - 1] as number];
}

function accuracies(text: string): [clean: number, robust: number] {
  return [...numbers(text, /accuracy ([\d.]+)/g), ...numbers(text, /under PGD[-\d]+ ([\d.]+)/g)] as [number, number];
}

test("custom-dataset: the loss falls, and both accuracies are far above chance", async () => {
  const text = await output(() => import("./custom-dataset/main.js"));
  const [before, after] = losses(text);
  expect(after).toBeLessThan(0.7 * before);
  const [clean, robust] = accuracies(text);
  expect(clean).toBeGreaterThan(0.9);
  expect(robust).toBeGreaterThan(0.8);
});

test("custom-model: the loss falls, and both accuracies are far above chance", async () => {
  const text = await output(() => import("./custom-model/main.js"));
  const [before, after] = losses(text);
  expect(after).toBeLessThan(0.7 * before);
  const [clean, robust] = accuracies(text);
  expect(clean).toBeGreaterThan(0.8);
  expect(robust).toBeGreaterThan(0.6);
});

test("own-loop: the loss falls", async () => {
  const [before, after] = losses(await output(() => import("./own-loop/main.ts")));
  expect(after).toBeLessThan(0.7 * before);
});

test("the README's library example is examples/custom-dataset", () => {
  const [, ...code] = readText("examples/custom-dataset/main.js").split("\n");
  expect(readText("README.md")).toContain(`\`\`\`js\n${code.join("\n")}\`\`\`\n`);
});
