/** @file Options are declared once: what is not declared is refused everywhere, and what is declared is known everywhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Declared,
  declared,
  defineMethod,
  externalName,
  type Given,
  integer,
  length,
  type Method,
  methods,
  type PartialTrainConfig,
  registries,
  resolveTrainConfig,
  SECTIONS,
  type Section,
} from "@gradalign/robustness";
import { allSettings, declarationOf, type Setting } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { optionsPage } from "../../../tools/tables/options.ts";
import { gradalign } from "./support/captured.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-options-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const resolve = (partial: Given) => resolveTrainConfig(partial as PartialTrainConfig);
const file = join(folder, "settings.yaml");

/** Runs `gradalign train` up to the check of its settings: the folder is not empty, so what passes the check trains nothing. */
const train = (...argv: string[]) => gradalign("train", ...argv, "--out", folder);

/** The same with settings from a file. */
function trainFile(settings: Readonly<Record<string, unknown>>) {
  writeFileSync(file, JSON.stringify(settings));
  return train("--config", file);
}

/** A value that the setting may have, as flags and files write it. */
function someValue(setting: Setting): string | number {
  const option = declarationOf(setting);
  if (option.kind === "boolean") return "yes";
  if (option.kind === "choice") return option.names[0] as string;
  return option.kind === "number" || option.kind === "integer" ? (option.least ?? option.most ?? 1) : option.accepts("0:1") ? "0:1" : "some text";
}

const REGISTERED = SECTIONS.flatMap((section) => Object.values<Declared>(registries[section]).map(({ id, options }) => [section, id, options] as const));

/** What a ConfigError says. */
function messageOf(refused: () => unknown): string {
  try {
    refused();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "nothing was refused";
}

/** Settings of the same kind that it has not: of those one, another for each, as commands take time. Both schedules have the same. */
function foreign(section: Section, id: string): readonly [string, Setting] | undefined {
  const all = [...allSettings()].filter(([name, { place, declared: by }]) => place?.section === section && name !== section && !by.has(id));
  return all[REGISTERED.findIndex(([kind, name]) => kind === section && name === id) % all.length];
}

describe.each(REGISTERED)("%s %s", (section, id, options) => {
  const own = Object.keys(options);
  const has = `is not an option of ${id}, which has`;

  test("has no other option in the library", () => {
    const all = SECTIONS.flatMap((other) => Object.values<Declared>(registries[other]).flatMap((one) => Object.keys(one.options)));
    for (const key of new Set([...all, "unheardOf", "toString"])) {
      if (own.includes(key)) continue;
      const message = `config: ${section}.${key} (=1) ${has} ${own.join(", ") || "none"}; leave it out`;
      // A key that is near to one of its own is answered with that one.
      expect(messageOf(() => resolve({ [section]: { name: id, [key]: 1 } })).replace(/, or write \w+$/, "")).toBe(message);
    }
    expect(() => resolve({ [section]: { name: id } })).not.toThrow();
  });

  test("has none in a config file and on the command line", async () => {
    const inFile = await trainFile({ [section]: id, "unheard-of": 1 });
    expect(inFile).toMatchObject({ code: 2, stderr: expect.stringContaining(`${file}: unknown setting "unheard-of"; the settings are the flags of`) });
    const onLine = await train(`--${section}`, id, "--unheard-of", "1");
    expect(onLine).toMatchObject({ code: 2, stderr: expect.stringMatching(/unknown option '--unheard-of'[\s\S]*add --help/) });
    const [name, setting] = foreign(section, id) ?? [];
    // The other schedules have nothing that this one has not.
    expect(name === undefined).toBe(id === "linear");
    if (!name || !setting) return;
    const value = someValue(setting);
    for (const [source, dashes, { code, stderr }] of [
      [`${file}: ${externalName(name)}`, "", await trainFile({ [section]: id, [externalName(name)]: value })],
      [`--${externalName(name)}`, "--", await train(`--${section}`, id, `--${externalName(name)}`, String(value))],
    ] as const) {
      expect(stderr).toContain(`${source} (=${value === "yes" ? true : value}) ${has} `);
      expect(stderr).toContain(`; leave it out, or choose ${dashes}${section} `);
      expect(code).toBe(2);
    }
  });
});

describe("a new method's option, by its line in the registry alone,", () => {
  const ID = "throw-away";
  const method = defineMethod({
    id: ID,
    paper: "Nobody 2026",
    formula: "ℓ(x)",
    trainsOn: "the images",
    options: {
      stepSize: length({ above: 0, most: 100, default: 1, help: "step of the attack" }),
      detours: integer({ least: 2, most: 9, unit: "turns", default: 3, help: "ways around", remedy: "write e.g. 3" }),
    },
    passes: () => ({ forward: 1, backward: 1 }),
    loss: ({ network, x }) => ({ adversarial: network.forward(x) }),
  });
  const registry: Record<string, Method> = methods;
  const register = (): void => {
    registry[ID] = method;
  };
  afterEach(() => {
    delete registry[ID];
  });

  test("is validated in library, file and flag", async () => {
    expect(() => resolve({ method: ID })).toThrow('method: name (="throw-away") must be one of standard');
    register();
    expect(resolve({ method: { name: ID, detours: 5 } }).method).toEqual({ name: ID, stepSize: 1, detours: 5 });
    expect(() => resolve({ method: { name: ID, detours: 1 } })).toThrow("config: method.detours (=1) must be an integer from 2 to 9; write e.g. 3");
    expect((await train("--method", ID, "--detours", "1")).stderr).toContain("--detours (=1) must be an integer from 2 to 9; write e.g. 3");
    expect((await trainFile({ method: ID, detours: 1 })).stderr).toContain(`${file}: detours (=1) must be an integer from 2 to 9; write e.g. 3`);
    // A good one comes as far as the folder.
    for (const { stderr } of [await train("--method", ID, "--detours", "5"), await trainFile({ method: ID, detours: 5 })]) {
      expect(stderr).toContain("must be empty or not there");
    }
    expect((await train("--method", "fgsm", "--detours", "5")).stderr).toContain(
      "--detours (=5) is not an option of fgsm, which has --step-size, --warmup-epochs; leave it out, or choose --method throw-away",
    );
  });

  test("is in the help of train and of the method, with its default", async () => {
    const flags = await gradalign("train", "--help");
    expect(flags.stdout).not.toContain("--detours");
    register();
    expect((await gradalign("train", "--help")).stdout.replaceAll(/\s+/g, " ")).toContain("--detours <n> ways around; from 2 to 9; of throw-away (default: 3)");
    const { code, stdout } = await gradalign("train", "--help", ID);
    expect(code).toBe(0);
    expect(stdout).toContain("throw-away: a training method\npaper: Nobody 2026\n");
    expect(stdout).toMatch(/--detours <n> +ways around +an integer from 2 to 9, in turns +default 3/);
  });

  test("is in the page of all options", () => {
    expect(optionsPage()).not.toContain(ID);
    register();
    expect(declared("method", ID)).toBe(method);
    expect(optionsPage()).toMatch(/### throw-away\n\nNobody 2026\.\n\n[^#]*\| `detours` +\| an integer from 2 to 9, in turns +\| 3 +\| ways around +\|/);
  });
});
