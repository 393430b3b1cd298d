/** @file The attacks as docs/evaluating.md shows them, from the registry. */
import { type Attack, attacks, ensembles, nameForm, threats } from "@gradalign/robustness";
import { table } from "./markdown.ts";

const NORMS = Object.keys(threats);

/** What ensembles are, and every attack with what it does, its norms, and whether it can aim at a class and average gradients. */
export function attacksRegion(): string {
  const versions = Object.entries(ensembles).map(([name, list]) => {
    const [usual = "", ...others] = NORMS.map(list);
    const differing = others.flatMap((each, i) => (each === usual ? [] : [`; in ${NORMS[i + 1]} \`${each}\``]));
    return [`\`${name}\``, `\`${usual}\`${differing.join("")}`, norms(usual), ""];
  });
  const single = Object.values(attacks).map((attack) => [`\`${nameForm(attack)}\``, attack.help ?? "", norms(attack.id), can(attack)]);
  return table(["name", "what it does", "norms", "can"], [...versions, ...single]);
}

/** What it can do besides. */
function can({ targeted, options }: Attack): string {
  return [...(targeted ? ["aim"] : []), ...("eot" in options ? ["eot"] : [])].join(", ");
}

/** The norms that all attacks of a list are defined in. */
function norms(list: string): string {
  const ids = list.split("+").map((name) => name.replace(/:.*/, ""));
  return NORMS.filter((norm) => ids.every((id) => attacks[id]?.threats?.includes(norm) ?? true)).join(", ");
}
