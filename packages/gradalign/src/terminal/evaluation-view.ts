/** @file How an evaluation goes on, live or as lines, and how it ended as a table. */
import type { AttackProgress } from "@gradalign/robustness";
import { aimText, count, duration, type EvaluationRecord, fractionText, percent } from "@gradalign/runs";
import { LiveRegion } from "./live-region.ts";
import { statusLine } from "./progress-bar.ts";
import type { OutputStream } from "./streams.ts";
import { textTable } from "./table.ts";

/** What is shown while an evaluation goes on. */
export interface EvaluationView {
  progress(progress: AttackProgress): void;
  finish(): void;
}

/** Between lines where there is no terminal. */
const LINE_EVERY_MS = 30_000;

/** A bar on a terminal; elsewhere a line when another attack begins, and now and then. */
export function createEvaluationView(output: OutputStream): EvaluationView {
  const region = output.isTTY ? new LiveRegion(output) : undefined;
  const began = performance.now();
  let first: number | undefined;
  let [at, told] = ["", began];
  return {
    progress({ attack, done, total, fraction, cleanAccuracy, robustAccuracy }) {
      first ??= fraction;
      const now = performance.now();
      const eta = `ETA ${duration(((now - began) / 1000 / (fraction - first)) * (1 - fraction))}`;
      const share = `${percent(robustAccuracy)} left of ${percent(cleanAccuracy)}`;
      const round = `round ${Math.min(total, Math.floor(done) + 1)} of ${total}`;
      if (region) region.show([statusLine(fraction, [attack, share, eta, round], output.columns)]);
      else if (attack !== at) output.write(`${attack}: ${share}\n`);
      else if (now - told > LINE_EVERY_MS) output.write(`${attack}: ${share}, ${round}, ${eta}\n`);
      if (attack !== at || now - told > LINE_EVERY_MS) told = now;
      at = attack;
    },
    finish: () => region?.clear(),
  };
}

/** A finished evaluation: a row for the images as they are and one for each attack, then the outcome and what makes it doubtful. */
export function evaluationLines(record: EvaluationRecord): string[] {
  const { model, data, threat, attack, seed, stages, outcomes, warnings } = record;
  const [n, epsilon] = [outcomes.length, fractionText(threat.epsilon)];
  let left = outcomes.filter(({ clean }) => clean).length;
  const rows = stages.map(({ attack: id, attacked, broken, passes, seconds }) => {
    if (record.selection === "success") left -= broken;
    else left = outcomes.filter(({ robust }) => robust).length;
    return [id, count(attacked), count(broken), percent(left / n), count(passes.forward), count(passes.backward), duration(seconds)];
  });
  const checkpoint = model.checkpoint ? `, ${model.checkpoint.which} (iteration ${count(model.checkpoint.iteration)})` : "";
  const interval = ([low, high]: readonly [number, number]) => `95 % interval ${percent(low)} to ${percent(high)}`;
  const selection = record.selection === "highest-loss" ? ", of restarts the one with the highest loss" : "";
  return [
    `${model.file}${checkpoint}: ${data.name}, first ${count(n)} test images`,
    ...textTable([
      ["attack", "images", "broken", "accuracy", "forward", "backward", "time"],
      ["clean", count(n), "–", percent(record.cleanAccuracy), count(n), "0", "–"],
      ...rows,
    ]),
    `clean ${percent(record.cleanAccuracy)} (${interval(record.cleanConfidence95)})`,
    ...(stages.length > 0
      ? [
          `robust ${percent(record.robustAccuracy)} (${interval(record.confidence95)}): ${attack}${aimText(record)} in ${threat.norm}, ε = ${epsilon}, seed ${seed}${selection}`,
        ]
      : []),
    ...warnings.map(({ id, seen }) => `warning ${id}: ${seen}`),
  ];
}
