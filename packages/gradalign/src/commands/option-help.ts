/**
 * @file `gradalign train --help NAME`: a method's, model's, optimiser's or schedule's options, with their bounds and their defaults for the settings
 * given with it; `gradalign eval --help ATTACK`: an attack's.
 */
import {
  attacks,
  chosenBy,
  closestName,
  type Declared,
  declared,
  ensembles,
  externalName,
  nameForm,
  type PartialTrainConfig,
  registries,
  SECTIONS,
  threats,
} from "@gradalign/robustness";
import { optionRows, partialConfig, radius, type Settings } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { textTable } from "../terminal/table.ts";

/** Settings that the defaults follow. */
const FOLLOWED: readonly string[] = ["dataset", "model", "epsilon"];

const KINDS = { method: "a training method", model: "a model", optimizer: "an optimiser", schedule: "a learning-rate schedule" } as const;

/**
 * The help of what has that name.
 *
 * @throws ConfigError when nothing has.
 */
export function optionHelp(name: string, settings: Settings): string {
  const section = SECTIONS.find((kind) => declared(kind, name));
  const found = section && declared(section, name);
  if (!found) {
    const names = SECTIONS.flatMap((kind) => Object.keys(registries[kind]));
    throw new ConfigError(`--help (="${name}") must be one of ${names.join(", ")}; leave the name out for all flags`);
  }
  const idle = Object.keys(settings).find((setting) => setting !== section && !FOLLOWED.includes(setting));
  if (idle !== undefined) {
    throw new ConfigError(`--${externalName(idle)} must be left out with --help ${name}: the defaults shown follow --dataset, --model and --epsilon alone`);
  }
  const { dataset, model, epsilon } = partialConfig(settings);
  const partial = { dataset, model, epsilon, [section]: { name } };
  const { at } = chosenBy(Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as PartialTrainConfig);
  const rows = optionRows(section, found.options, at);
  const { epochs, peak, optimizer } = at.recipe;
  return [
    `${name}: ${KINDS[section]}`,
    `paper: ${found.paper}`,
    `source: ${sourceOf(section, found)}`,
    ...(section === "method" ? [`recipe: ${epochs} epochs, ${optimizer} with a peak learning rate of ${peak}`] : []),
    "",
    rows.length === 0 ? "It has no options." : `Options, with defaults for ${at.dataset}, ${at.model} and ε = ${radius(at.epsilon)}:`,
    ...textTable(rows.map((row) => [`  --${row.name} ${row.argument}`, row.help, row.values, `default ${row.otherwise}`])),
  ].join("\n");
}

/**
 * The help of the attack or of the ensemble that has that name.
 *
 * @throws ConfigError when nothing has.
 */
export function attackHelp(name: string): string {
  const norms = Object.keys(threats);
  const ensemble = Object.hasOwn(ensembles, name) ? ensembles[name] : undefined;
  if (ensemble) {
    const [usual, ...others] = norms.map((norm) => ({ norm, list: ensemble(norm) }));
    const differing = others.filter(({ list }) => list !== usual?.list).map(({ norm, list }) => `in ${norm}: ${list}`);
    return [`${name}: attacks one after another`, `is: ${usual?.list}`, ...differing].join("\n");
  }
  const attack = Object.hasOwn(attacks, name) ? attacks[name] : undefined;
  if (!attack) {
    const names = [...Object.keys(attacks), ...Object.keys(ensembles)];
    const close = closestName(name, names);
    throw new ConfigError(
      `--help (="${name}") must be one of ${names.join(", ")}; ${close === undefined ? "leave the name out for all flags" : `did you mean ${close}?`}`,
    );
  }
  const rows = optionRows("attack", attack.options, null);
  return [
    `${nameForm(attack)}: an attack`,
    `does: ${attack.help}`,
    `paper: ${attack.paper}`,
    `norms: ${(attack.threats ?? norms).join(", ")}`,
    "",
    `Options, after a colon, e.g. ${nameForm(attack)}:${rows[0]?.name}=${rows[0]?.otherwise}, several with commas between:`,
    ...textTable(rows.map((row) => [`  ${row.name}=${row.argument}`, row.help, row.values, `default ${row.otherwise}`])),
  ].join("\n");
}

const FOLDERS = { method: "methods", model: "models", optimizer: "optim", schedule: "optim" } as const;

/** Its file, which has its name. */
function sourceOf(section: keyof typeof FOLDERS, { id }: Declared): string {
  return `packages/robustness/src/${FOLDERS[section]}/${section === "schedule" ? "schedule" : id}.ts`;
}
