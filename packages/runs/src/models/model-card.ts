/** @file The card of an exported model: what it is, what attacks left of it, how to use it. Its figures are those of the run's records, and no others. */
import { architectureOf, type Model, type TrainConfig, writeArchitecture } from "@gradalign/robustness";
import type { RobustnessRecord } from "../run/run-data.ts";
import { describeRun, reproduceCommand } from "../settings/describe.ts";
import { attackName, count, percent, radius } from "../words/format.ts";

/** What a card is made of. */
export interface ModelCard {
  readonly model: Pick<Model, "name" | "config">;
  readonly config: TrainConfig;
  readonly data: { readonly classNames: readonly string[]; readonly shape: readonly number[]; readonly fingerprint: string | null };
  /** Which checkpoint, of which iteration, and the checksum of its tensors. */
  readonly which: string;
  readonly iteration: number;
  readonly sha256: string;
  readonly parameters: number;
  readonly code: { readonly version: string; readonly commit: string | null };
  /** What attacks on this checkpoint gave. */
  readonly records: readonly RobustnessRecord[];
}

/** The card as Markdown, with the hub's front matter. */
export function modelCard(card: ModelCard): string {
  const { model, config, data, which, iteration, sha256, parameters, code, records } = card;
  const facts: readonly (readonly [string, string])[] = [
    ["network", `\`${writeArchitecture(architectureOf(model))}\`, ${count(parameters)} parameters`],
    ["images", `${data.shape.join(" x ")}, in [0, 1]; nothing else is done to them`],
    ["classes", data.classNames.join(", ")],
    ["trained with", config.method.name],
    ["ε", `${radius(config.epsilon)} (l-infinity)`],
    ["seed", String(config.seed)],
    ["checkpoint", `${which}, iteration ${count(iteration)}, sha256 of its tensors \`${sha256}\``],
    ["data", `${config.dataset}, fingerprint \`${data.fingerprint ?? "unknown"}\``],
    ["program", `gradalign ${code.version}${code.commit === null ? "" : `, commit ${code.commit}`}`],
  ];
  return `---
${frontMatter(card)}
---

# ${describeRun(config)}

| what | |
| --- | --- |
${facts.map(([name, text]) => `| ${name} | ${cell(text)} |`).join("\n")}

## Accuracy

${results(records)}

## Use

    npx gradalign eval FOLDER --attack autoattack

or in PyTorch, for a module with the same names:

    model.load_state_dict(safetensors.torch.load_file("model.safetensors"))

The command that gives this run again:

    ${reproduceCommand(config)}
`;
}

function results(records: readonly RobustnessRecord[]): string {
  if (records.length === 0) return "None was recorded for this checkpoint.";
  const rows = records.map(({ attack, epsilon, n, seed, cleanAccuracy, robustAccuracy, confidence95: [low, high] }) =>
    [attackName(attack), radius(epsilon), count(n), String(seed), percent(cleanAccuracy), percent(robustAccuracy), `${percent(low)} to ${percent(high)}`]
      .map(cell)
      .join(" | "),
  );
  return `On the first test images of the data set, as the run recorded it. Robust accuracies are upper bounds: what the attack did not break.

| attack | ε | images | seed | clean | robust | 95 % interval of robust |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join("\n")}`;
}

/** Every value is JSON, which YAML contains. */
function frontMatter({ model, config, records }: ModelCard): string {
  const dataset = { type: config.dataset, name: config.dataset, split: "test" };
  const result = ({ attack, epsilon, n, cleanAccuracy, robustAccuracy }: RobustnessRecord) => ({
    task: { type: "image-classification" },
    dataset,
    metrics: [
      { type: "accuracy", name: `clean accuracy, first ${n} images`, value: cleanAccuracy },
      { type: "accuracy", name: `accuracy under ${attackName(attack)}, l-infinity ${radius(epsilon)}, first ${n} images`, value: robustAccuracy },
    ],
  });
  const entries: Record<string, unknown> = {
    library_name: "gradalign",
    pipeline_tag: "image-classification",
    tags: ["adversarial-robustness", "adversarial-training", model.name, config.method.name],
    datasets: [config.dataset],
    metrics: ["accuracy"],
    ...(records.length > 0 ? { "model-index": [{ name: describeRun(config), results: records.map(result) }] } : {}),
  };
  return Object.entries(entries)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    .join("\n");
}

/** Text in a table's cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}
