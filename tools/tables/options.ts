/** @file docs/options.md: every option of a run, from its declaration. */
import {
  attacks,
  augmentOptions,
  chosenBy,
  DEFAULTS,
  type Declared,
  nameForm,
  type OptionTable,
  type PartialTrainConfig,
  registries,
  type Section,
  trainingOptions,
} from "@gradalign/robustness";
import { optionRows, type Place } from "@gradalign/runs";
import { linked, paragraph, table } from "./markdown.ts";

const INTRODUCTION = `# Options

Every option of a run, by the name that flags and config files have. In the library an option has the same name in camel
case and stands in \`method\`, \`model\`, \`optimizer\`, \`schedule\` or \`augment\` (but \`lr\` is the schedule's \`peak\` and
\`adam-epsilon\` the optimiser's \`epsilon\`); ε is in steps of 1/255 here and in pixel units there.

Defaults are those of CIFAR-10, \`preact-resnet18\` and ε = 8/255, of training itself with \`fgsm-gradalign\`. Where they
follow from data set, model, radius or other options, \`gradalign train --help METHOD\` tells them for the settings that
are given with it: \`gradalign train --help fgsm-gradalign --dataset svhn --epsilon 4\`.

This page is written from the declarations in the code: \`npm run tables\`.
`;

const ATTACKS =
  "An attack's options stand after a colon in its name, with commas between: `apgd-t:targets=5,restarts=2`. In the library they have the same names " +
  "in camel case: `{ attack: apgdT, options: { targets: 5 } }`.";

const TITLES: Readonly<Record<Section, string>> = { method: "Methods", model: "Models", optimizer: "Optimisers", schedule: "Schedules" };

function optionTable(section: Place["section"] | "attack", options: OptionTable, method = DEFAULTS.method): string {
  // A name of the registry.
  const { at } = chosenBy({ method: { name: method } } as PartialTrainConfig);
  const rows = optionRows(section, options, section === "attack" ? null : at);
  if (rows.length === 0) return "No options.";
  return table(
    ["option", "values", "default", "meaning"],
    rows.map(({ name, values, otherwise, help }) => [`\`${name}\``, values, otherwise, help]),
  );
}

/** The whole page. */
export function optionsPage(): string {
  const parts = [INTRODUCTION, "## Training\n", `${optionTable(null, trainingOptions)}\n`];
  parts.push("Images are changed at random:\n", `${optionTable("augment", augmentOptions)}\n`);
  for (const section of ["method", "model", "optimizer", "schedule"] as const) {
    parts.push(`## ${TITLES[section]}\n`);
    const registry: Readonly<Record<string, Declared>> = registries[section];
    for (const { id, paper, options } of Object.values(registry)) {
      parts.push(`### ${id}\n`, `${paper}.\n`, `${optionTable(section, options, section === "method" ? id : DEFAULTS.method)}\n`);
    }
  }
  parts.push("## Attacks\n", `${paragraph(ATTACKS)}\n`);
  for (const attack of Object.values(attacks))
    parts.push(`### Attack ${nameForm(attack)}\n`, `${attack.paper}.\n`, `${optionTable("attack", attack.options)}\n`);
  return linked("docs/options.md", parts.join("\n"));
}
