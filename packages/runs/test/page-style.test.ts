/** @file The pages' colours: what is written in them can be read, in light and dark. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PAGE_STYLE } from "../src/pages/page-style.ts";

const studio = readFileSync(new URL("../../../apps/studio/src/page/page.css", import.meta.url), "utf8");

/** The colours of the n-th block of declarations for the root. */
const colors = (css: string, n: number): Record<string, string> =>
  Object.fromEntries(
    [...([...css.matchAll(/:root \{([^}]*)\}/g)][n]?.[1] ?? "").matchAll(/(--[\w-]+): (#[0-9a-f]{6});/g)].map(([, name, color]) => [name, color]),
  );

/** WCAG's relative luminance. */
function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5]
    .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (r as number) + 0.7152 * (g as number) + 0.0722 * (b as number);
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

test("contrast is that of WCAG", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 9);
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
});

describe.each([
  ["light", 0],
  ["dark", 1],
  ["print", 2],
] as const)("%s", (_, n) => {
  const page = { ...colors(PAGE_STYLE, n), ...colors(studio, n === 1 ? 1 : 0) };
  const grounds = ["--page", "--surface", "--field"];
  const written = Object.keys(page).filter((name) => ![...grounds, "--line", "--on-accent"].includes(name));

  test("has colours to check", () => {
    expect(written).toEqual(
      expect.arrayContaining(["--text", "--muted", "--clean", "--fgsm", "--pgd", "--alignment", "--cosine", "--alarm", "--link", "--run-1", "--run-8"]),
    );
  });

  test.each(written)("text in %s has a contrast of 4.5 on the page and on cards", (name) => {
    for (const ground of ["--page", "--surface"]) expect(contrast(page[name] as string, page[ground] as string)).toBeGreaterThanOrEqual(4.5);
  });

  test("text in fields and on the main button too", () => {
    expect(contrast(page["--text"] as string, page["--field"] as string)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(page["--on-accent"] as string, page["--accent"] as string)).toBeGreaterThanOrEqual(4.5);
  });
});

test("no text is made paler by opacity, but for what is disabled or set back while another line is picked out", () => {
  const faded = [...`${PAGE_STYLE}\n${studio}`.matchAll(/([^{}]*)\{[^{}]*\bopacity: 0?\.\d+/g)].map(([, selector]) => selector?.trim());
  expect(faded).toEqual([".dim", "li.dim", "button:disabled"]);
});
