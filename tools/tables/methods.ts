/** @file The methods, from their declarations: what each trains on, what it costs, where it comes from, and its recipe. */
import { chosenBy, type Method, methods, type PartialTrainConfig, resolveTrainConfig } from "@gradalign/robustness";
import { optionRows } from "@gradalign/runs";
import { table } from "./markdown.ts";

/** Recipes are shown for CIFAR-10, `preact-resnet18` and these radii, in steps of 1/255. */
const RADII = [8, 16] as const;

function settings({ id }: Method, radius: number): PartialTrainConfig {
  return { method: { name: id } as PartialTrainConfig["method"] & object, epsilon: radius / 255 };
}

/** Options at the smaller radius, and at the larger where they differ. */
function recipe(method: Method): string {
  const [small, large] = RADII.map((radius) => optionRows("method", method.options, chosenBy(settings(method, radius)).at)) as [Rows, Rows];
  const { at } = chosenBy(settings(method, RADII[0]));
  const standard = chosenBy(settings(methods.standard, RADII[0])).at;
  const schedule = (["epochs", "peak"] as const)
    .filter((name) => at.recipe[name] !== standard.recipe[name])
    .map((name) => `\`${name === "peak" ? "lr" : name}\` ${at.recipe[name]}`);
  const options = small
    .map(({ name, otherwise }, i) => ({ name, otherwise, larger: large[i]?.otherwise ?? otherwise }))
    .filter(({ name, otherwise }) => name !== "warmup-epochs" && otherwise !== "none")
    .map(({ name, otherwise, larger }) => `\`${name}\` ${otherwise}${larger === otherwise ? "" : ` (${larger})`}`);
  return [...options, ...schedule].join(", ") || "–";
}

type Rows = ReturnType<typeof optionRows>;

function passes(method: Method): string {
  const { name: _, ...options } = resolveTrainConfig(settings(method, RADII[0])).method;
  const { forward, backward } = method.passes(options);
  return `${forward} + ${backward}`;
}

/** What a page may show of the methods: `methods`, what each trains on; `methods recipes`, all of the rest. */
export function methodsRegion([, what]: readonly string[]): string {
  const all: readonly Method[] = Object.values(methods);
  if (what === undefined)
    return table(
      ["training method", "what it trains on"],
      all.map(({ id, trainsOn }) => [`\`${id}\``, trainsOn]),
    );
  return table(
    ["method", "minimises", "passes", `recipe at ε = ${RADII[0]} (and ${RADII[1]}) / 255`, "source"],
    all.map((method) => [`\`${method.id}\``, method.formula, passes(method), recipe(method), method.paper]),
  );
}
