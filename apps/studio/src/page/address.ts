/** @file The page's state in its address: a link gives the same page again. */
import { externalName } from "@gradalign/robustness";
import { parseFlag, settingNames, settingOf, type TrainingSettings, written } from "@gradalign/runs";
import { type Backend, type BySide, CHOICES, SIDES, type Subject } from "../protocol.ts";
import { type Choice, PRESETS } from "./presets.ts";

/** All that a link keeps. */
export interface Address {
  readonly choice: Choice;
  /** The preset that was chosen; null for settings of one's own. */
  readonly claim: string | null;
  readonly backend: Backend;
  /** Steps per second at most. */
  readonly pace: number | null;
  /** Number of the test image that is looked at. */
  readonly image: number;
  readonly at: number | null;
  readonly zeroed: BySide<readonly number[]>;
  readonly direction: Subject["direction"];
  /** The saved model of the server's runs that is attacked. */
  readonly model: { readonly run: string; readonly which: "last" | "best" } | null;
  /** Where the list of the images is; null for those beside the page. */
  readonly data: string | null;
}

/** The page without anything in its address: the paper's claim, on a seed on which FGSM overfits early. */
export const START: Address = {
  choice: (PRESETS[0] as (typeof PRESETS)[0]).choice,
  claim: "collapse",
  backend: "auto",
  pace: null,
  image: 0,
  at: null,
  zeroed: { left: [], right: [] },
  direction: "random",
  model: null,
  data: null,
};

/** The settings of a side. */
export function settingsOf({ shared, ...sides }: Choice, side: keyof typeof sides): TrainingSettings {
  return { ...shared, ...sides[side] };
}

/** A text as the value of a setting; undefined for none. Throws ConfigError for what the setting may not be. */
export function readSetting(name: string, text: string): ReturnType<typeof parseFlag> | undefined {
  return text.trim() === "" ? undefined : parseFlag(name, text);
}

/** The address as the text after the question mark. */
export function writeAddress({ choice, claim, backend, pace, image, at, zeroed, direction, model, data }: Address): string {
  const query = new URLSearchParams();
  for (const part of ["shared", ...SIDES] as const) {
    const prefix = part === "shared" ? "" : `${part}.`;
    for (const [name, value] of Object.entries(choice[part])) if (value !== undefined) query.set(prefix + externalName(name), written(value));
  }
  if (claim !== null) query.set("claim", claim);
  if (backend !== START.backend) query.set("backend", backend);
  if (pace !== null) query.set("pace", String(pace));
  if (image !== 0) query.set("image", String(image));
  if (at !== null) query.set("at", String(Number(at.toFixed(2))));
  for (const side of SIDES) if (zeroed[side].length > 0) query.set(`${side}.zero`, zeroed[side].map((filter) => filter + 1).join("."));
  if (direction !== START.direction) query.set("across", direction);
  if (model)
    for (const [name, value] of [
      ["attack", model.run],
      ["which", model.which],
    ] as const)
      query.set(name, value);
  if (data !== null) query.set("data", data);
  return query.toString();
}

/** What an address says, and in words what of it could not be understood. */
export function readAddress(search: string): { readonly address: Address; readonly problems: readonly string[] } {
  const query = new URLSearchParams(search);
  const problems: string[] = [];
  const names = new Map(settingNames().flatMap((name) => (settingOf(name).place && name !== "dataset" ? [[externalName(name), name] as const] : [])));
  const settings = { shared: {}, left: {}, right: {} } as Record<keyof Choice, Record<string, unknown>>;
  const isPreset = (id: string): boolean => PRESETS.some((preset) => preset.id === id);
  const rest: { -readonly [Name in keyof Address]?: Address[Name] } = {};
  const zeroed = { left: [] as number[], right: [] as number[] };
  const refuse = (name: string, rule: string): void => {
    problems.push(`The address says ${name}=${query.get(name)}, which must be ${rule}; it is left out.`);
  };
  for (const [key, text] of query) {
    const [, side = "shared", name = ""] = /^(?:(left|right)\.)?(.*)$/s.exec(key) ?? [];
    const part = side as keyof Choice;
    const setting = names.get(name);
    const number = Number(text);
    if (setting !== undefined) {
      try {
        const value = readSetting(setting, text);
        if (value !== undefined) settings[part][setting] = value;
      } catch (error) {
        problems.push(`The address: ${messageOf(error)}; it is left out.`);
      }
    } else if (name === "zero" && part !== "shared") {
      const filters = text.split(".").map(Number);
      if (filters.every((filter) => Number.isInteger(filter) && filter >= 1)) zeroed[part] = filters.map((filter) => filter - 1);
      else refuse(key, "numbers of filters such as 2 or 1.3");
    } else if (key === "claim") {
      if (isPreset(text)) rest.claim = text;
      else refuse(key, `one of ${PRESETS.map(({ id }) => id).join(", ")}`);
    } else if (key === "backend") {
      if (CHOICES.some((choice) => choice === text)) rest.backend = text as Backend;
      else refuse(key, `one of ${CHOICES.join(", ")}`);
    } else if (key === "across") {
      if (text === "random" || text === "pgd") rest.direction = text;
      else refuse(key, "random or pgd");
    } else if (key === "pace") {
      if (number > 0 && number <= 1000) rest.pace = number;
      else refuse(key, "steps per second, up to 1000");
    } else if (key === "image") {
      if (Number.isInteger(number) && number >= 0) rest.image = number;
      else refuse(key, "a test image's number from 0");
    } else if (key === "attack") rest.model = { run: text, which: query.get("which") === "best" ? "best" : "last" };
    else if (key === "which") {
      if (text !== "last" && text !== "best") refuse(key, "last or best");
    } else if (key === "data") {
      if (/^(https?:\/\/|[^:]*$)/.test(text)) rest.data = text;
      else refuse(key, "an address");
    } else if (key === "at") {
      if (number >= 0) rest.at = number;
      else refuse(key, "an epoch");
    } else problems.push(`The address says ${key}=${text}, which is no setting here; it is left out.`);
  }
  const choice = {
    shared: { ...START.choice.shared, ...settings.shared },
    left: { ...START.choice.left, ...settings.left },
    right: { ...START.choice.right, ...settings.right },
  } as Choice;
  // A link that sets something and names no claim is of one's own.
  const claim = rest.claim ?? (Object.values(settings).every((part) => Object.keys(part).length === 0) ? START.claim : null);
  return { address: { ...START, ...rest, claim, zeroed, choice }, problems };
}

/** An error's words without a flag's dashes. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/^--/, "");
}
