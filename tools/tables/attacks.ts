/** @file The attacks as docs/evaluating.md shows them, from the registry. */
import { attacks, ensembles, nameForm, threats } from "@gradalign/robustness";
import { table } from "./markdown.ts";

const NORMS = Object.keys(threats);

/** What ensembles are, and every attack with what it does and its norms. */
export function attacksRegion(): string {
  const versions = Object.entries(ensembles).map(([name, list]) => {
    const [usual = "", ...others] = NORMS.map(list);
    const differing = others.flatMap((each, i) => (each === usual ? [] : [`; in ${NORMS[i + 1]} \`${each}\``]));
    return [`\`${name}\``, `\`${usual}\`${differing.join("")}`, norms(usual)];
  });
  const single = Object.values(attacks).map((attack) => [`\`${nameForm(attack)}\``, attack.help ?? "", norms(attack.id)]);
  return table(["name", "what it does", "norms"], [...versions, ...single]);
}

/** The norms that all attacks of a list are defined in. */
function norms(list: string): string {
  const ids = list.split("+").map((name) => name.replace(/:.*/, ""));
  return NORMS.filter((norm) => ids.every((id) => attacks[id]?.threats?.includes(norm) ?? true)).join(", ");
}
