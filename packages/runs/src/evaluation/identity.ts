/** @file What an evaluation is: a hash of all that decides its outcome, and how two differ. */
import { canonicalJson, sha256 } from "@gradalign/formats";
import { fractionText } from "./fraction.ts";
import type { EvaluationIdentity, EvaluationRecord } from "./record.ts";

/** What decides the outcome: names of files and data sets do not, their checksums stand for them. */
function deciding({ model, data, ...rest }: EvaluationIdentity): object {
  const { file: _, checkpoint: __, ...weights } = model;
  const { name: ___, ...images } = data;
  return { ...rest, model: weights, data: images };
}

/** The evaluation's id: SHA-256, hex. */
export function idOf(identity: EvaluationIdentity): string {
  return sha256(canonicalJson(deciding(identity)));
}

/** A name that tells evaluations apart, for a folder or a file, e.g. `model-autoattack-linf-8-255-1a2b3c4d`. */
export function evaluationName(identity: EvaluationIdentity): string {
  const { model, attack, targets, threat } = identity;
  const title = model.checkpoint ? `${model.file}-${model.checkpoint.which}` : model.file.replace(/\.\w+$/, "");
  const aim = targets === undefined ? [] : [String(targets)];
  const words = [title, attack, ...aim, threat.norm, fractionText(threat.epsilon), idOf(identity).slice(0, 8)];
  return words.map((word) => word.replaceAll(/[^\w.+-]+/g, "-").slice(0, 60)).join("-");
}

/** The digest of a record: of all in it but times and machine. */
export function digestOf({
  digest: _,
  written: __,
  code: ___,
  machine: ____,
  seconds: _____,
  stages,
  ...found
}: Omit<EvaluationRecord, "digest"> & { readonly digest?: string }): string {
  const timeless = { ...found, stages: stages.map(({ seconds: ______, ...stage }) => stage) };
  return sha256(canonicalJson(timeless));
}

/** What differs between two evaluations, field by field, with both values; empty where they are the same. */
export function differences(was: EvaluationIdentity, is: EvaluationIdentity): string[] {
  const [before, now] = [leaves(deciding(was)), leaves(deciding(is))];
  return [...new Set([...before.keys(), ...now.keys()])].flatMap((path) => {
    const [a, b] = [before.get(path) ?? "nothing", now.get(path) ?? "nothing"];
    return a === b ? [] : [`${path} ${short(a)} there, ${short(b)} here`];
  });
}

/** Values by path; lists of numbers and names are one value. */
function leaves(value: unknown, path = ""): Map<string, string> {
  const isPlain = typeof value !== "object" || value === null || (Array.isArray(value) && value.every((item) => typeof item !== "object"));
  if (isPlain) return new Map([[path, canonicalJson(value)]]);
  const { numerator, denominator } = value as { readonly numerator?: number; readonly denominator?: number };
  if (numerator !== undefined && denominator !== undefined) return new Map([[path, `${numerator}/${denominator}`]]);
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...leaves(inner, path === "" ? key : `${path}.${key}`)]));
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
