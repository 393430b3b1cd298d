/** @file Nothing is exported that no other file imports and the package's index does not give to its users. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const read = (folder: string): { path: string; text: string }[] => {
  const root = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(`${root}/${path}`, "utf8") }));
};

const DECLARED = /^export (?:async )?(?:function|const|class|interface|type) (\w+)/gm;

test("every export of the compiler's files is used elsewhere", () => {
  const sources = read("../src");
  const files = [...sources, ...read("."), ...read("../../../tools/campaigns")];
  const index = sources.find(({ path }) => path === "index.ts")!.text;
  const dead = sources.flatMap(({ path, text }) => {
    if (index.includes(`export * from "./${path}"`)) return [];
    const names = [...text.matchAll(DECLARED)].map((match) => match[1]!);
    return names.filter((name) => !files.some((file) => file.path !== path && new RegExp(`\\b${name}\\b`).test(file.text))).map((name) => `${path}: ${name}`);
  });
  expect(dead).toEqual([]);
});
