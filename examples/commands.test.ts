/** @file Commands in the pages: blocks marked `sh` run, at a tiny scale; `sh long` ones, and those in prose, are understood by what they call. */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { createProgram } from "../packages/gradalign/src/cli.ts";
import { settingFlag, settingsFromFlags } from "../packages/gradalign/src/settings/setting-flags.ts";
import { gradalign } from "../packages/gradalign/test/support/captured.ts";
import { writeRecordFiles } from "../packages/gradalign/test/support/record-files.ts";
import { settingNames } from "../packages/runs/src/index.ts";
import { pages, ROOT, readText } from "./support/code-blocks.ts";

/** Commands of a text, a list of words each, without comments. */
function commandsIn(text: string): string[][] {
  return text.split(/\n| && /).flatMap((line) => {
    const words = [...line.replace(/(^|\s)#.*$/, "").matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
    return words.length > 0 ? [words] : [];
  });
}

/** A page's blocks of commands, and whether they are run. */
function blocksOf(page: string): { readonly page: string; readonly runs: boolean; readonly commands: readonly string[][] }[] {
  return [...readText(page).matchAll(/^```sh *(.*)\n([\s\S]*?)^```$/gm)].map(([, info, code = ""]) => {
    expect(["", "long"], `${page}: a block of commands is marked sh or sh long`).toContain(info);
    return { page, runs: info === "", commands: commandsIn(code) };
  });
}

/** Commands in the sentences of a page. */
function spansOf(page: string): string[][] {
  const prose = readText(page).replace(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/`((?:npx|npm|node|gradalign)\s[^`]+)`/g)].flatMap(([, code = ""]) => commandsIn(code.replace(/\s+/g, " ")));
}

/** The settings among a command's flags; a command may have a flag of its own with a setting's name. */
function settingsOf({ options }: Command): string[] {
  const flags = new Set(options.map((option) => option.flags));
  return settingNames().filter((name) => flags.has(settingFlag(name)));
}

/** What was given; a word in capitals stands for a value. */
function given(command: Command): Record<string, unknown> {
  return Object.fromEntries(Object.entries(command.opts()).filter(([, value]) => typeof value !== "string" || !/^[A-Z]+$/.test(value)));
}

/** Has the command's own parser read its words; nothing is done. */
async function parse(words: readonly string[]): Promise<void> {
  // No command, or a word that stands for one, has no flags to check.
  if (["", "COMMAND", "<command>"].includes(words[0] ?? "")) return;
  const program = createProgram({ streams: { stdout: { write() {} }, stderr: { write() {} } }, argv: [], exitCode: 0 });
  const quiet = (command: Command): void => {
    for (const inner of command.commands) quiet(inner);
    if (command !== program) command.action(() => void settingsFromFlags(given(command), settingsOf(command)));
  };
  quiet(program);
  await program.parseAsync(words, { from: "user" }).catch((error: { exitCode?: number; code?: string; message: string }) => {
    // A sentence may name a command without what it is given.
    const names = (error.code === "commander.missingArgument" || error.code === "commander.missingMandatoryOptionValue") && words.length === 1;
    if (error.exitCode !== 0 && !names) throw new Error(`gradalign ${words.join(" ")}: ${error.message}`);
  });
}

const scripts = (JSON.parse(readText("package.json")) as { scripts: Record<string, string> }).scripts;

/** Whether a script and what it imports from beside it name each of the flags. */
function requireFlags(script: string, words: readonly string[]): void {
  expect(existsSync(join(ROOT, script)), script).toBe(true);
  const own = readText(script);
  const text =
    own +
    [...own.matchAll(/from "(\.\/[^"]+)"/g)]
      .map(([, file = ""]) => join(dirname(script), file))
      .filter((file) => existsSync(join(ROOT, file)))
      .map(readText)
      .join("\n");
  for (const flag of words.filter((word) => word.startsWith("--") && word !== "--")) {
    expect(new RegExp(`["\`]?${flag.slice(2)}["\`]?[:\\],]`).test(text), `${script} ${flag}`).toBe(true);
  }
}

/** Whoever is called takes these words. */
async function understand([program, ...words]: readonly string[]): Promise<void> {
  const [first = "", ...rest] = words;
  if (program === "gradalign") return parse(words);
  if (program === "npx" && first === "gradalign") return parse(rest);
  if (program === "npx" && first === "vitest") {
    // Flags stand behind the paths.
    const flags = rest.findIndex((word) => word.startsWith("-"));
    for (const path of rest.slice(1, flags < 0 ? undefined : flags)) expect(existsSync(join(ROOT, path)), path).toBe(true);
    return;
  }
  if (program === "npx") return void expect(existsSync(join(ROOT, "node_modules/.bin", first)), first).toBe(true);
  if (program === "node") return requireFlags(first, rest);
  if (program === "npm" && first === "run") {
    const [name = "", ...given] = rest;
    // NAME stands for one of several.
    if (name.endsWith(":NAME")) return void expect(Object.keys(scripts).some((script) => script.startsWith(name.slice(0, -4)))).toBe(true);
    const script = scripts[name];
    if (script === undefined) throw new Error(`npm run ${name}: package.json has no such script`);
    const file = /\bnode (\S+\.mjs)/.exec(script)?.[1];
    if (given.length > 0 && file) requireFlags(file, given);
    return;
  }
  if (program === "export") {
    for (const word of words) expect(word).toMatch(/^[A-Z_]+=\S+$/);
    return;
  }
  if (program === "npm") return void expect(["ci", "test", "install"]).toContain(first);
  // The page explains where this program comes from.
  if (program === "./bundle/node") return requireFlags(join("bench/gpu", first.replace("bundle/", "")), rest.slice(0, rest.indexOf("--") + 1 || undefined));
  throw new Error(`nobody understands ${program} ${words.join(" ")}`);
}

const blocks = pages().flatMap(blocksOf);

describe("commands that are not run are understood", () => {
  test.each(pages())("in %s", async (page) => {
    for (const { commands } of blocks.filter((block) => block.page === page && !block.runs)) for (const words of commands) await understand(words);
    for (const words of spansOf(page)) await understand(words);
  });

  test("in the command's help", async () => {
    const program = createProgram({ streams: { stdout: { write() {} }, stderr: { write() {} } }, argv: [], exitCode: 0 });
    const names = program.commands.filter((command) => command.description() !== "" && command.commands.length === 0).map((command) => command.name());
    expect(names).toEqual(expect.arrayContaining(["train", "demo", "reproduce"]));
    for (const name of ["", ...names]) {
      const { stdout } = await gradalign(...[name].filter(Boolean), "--help");
      const examples = [...stdout.matchAll(/^ {2}gradalign (.*)$/gm)].flatMap(([, words = ""]) => commandsIn(words));
      expect(examples.length, name).toBeGreaterThan(0);
      for (const words of examples) await parse(words);
    }
  });

  test("wrong ones are not", async () => {
    await expect(understand(["gradalign", "train", "--epsilom", "8"])).rejects.toThrow("unknown option '--epsilom'");
    await expect(understand(["gradalign", "train", "--epsilon", "0.031"])).rejects.toThrow("write 8/255 (or 8)");
    await expect(understand(["npm", "run", "campaigns"])).rejects.toThrow("package.json has no such script");
    await expect(understand(["npm", "run", "campaign:kills", "--", "--countt", "3"])).rejects.toThrow("--countt");
    await expect(understand(["make"])).rejects.toThrow("nobody understands make");
  });
});

describe("commands that are run", () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-commands-"));
  const before = process.cwd();
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });
  const data = join(folder, "images");
  const small = ["--dataset", data, "--epochs", "1", "--eval-every", "8", "--eval-examples", "8", "--final-attack", "pgd-2", "--threads", "1"];
  /** What makes a command tiny. */
  const tiny: Readonly<Record<string, readonly string[]>> = { train: small, demo: [...small, "--final-examples", "8"] };

  test.each(blocks.filter(({ runs }) => runs).map((block) => [`${block.page}: ${block.commands[0]?.join(" ")}`, block] as const))(
    "%s",
    async (_, { commands }) => {
      rmSync(join(folder, "runs"), { recursive: true, force: true });
      writeRecordFiles(data, 128, 8);
      cpSync(join(ROOT, "packages/formats/test/fixtures/torch-2.13-zip-wrapped.pth"), join(folder, "model.pth"));
      process.chdir(folder);
      for (const [program, ...words] of commands) {
        const argv = program === "npx" ? words.slice(1) : words;
        expect(program === "npx" ? words[0] : program, "only the command is run").toBe("gradalign");
        // A page may name a second run.
        if (argv.includes("runs/another")) cpSync("runs/cnn", "runs/another", { recursive: true });
        const { code, stderr } = await gradalign(...argv, ...(argv.includes("--resume") ? [] : (tiny[argv[0] as string] ?? [])));
        expect(code, `${argv.join(" ")}: ${stderr}`).toBe(0);
      }
    },
  );
});
