/** @file How each event of a run reads as lines of text. */
import { EVALUATION_PGD, type Evaluation } from "@gradalign/robustness";
import { attackName, bytes, count, decimals, describeAlarm, percent, type RobustnessRecord, type RunEvent, VERDICTS } from "@gradalign/runs";
import type { Paint } from "./style.ts";

/** With a space between them they fit a terminal of 80 columns. */
const COLUMNS: readonly [heading: string, width: number, show: (evaluation: Evaluation) => string][] = [
  ["iteration", 9, (e) => count(e.iteration)],
  ["epoch", 5, (e) => e.epoch.toFixed(2)],
  ["loss", 6, (e) => decimals(e.train_loss, 3)],
  ["clean", 7, (e) => percent(e.test_clean_acc)],
  ["FGSM", 7, (e) => percent(e.test_fgsm_acc)],
  [attackName(EVALUATION_PGD), 7, (e) => percent(e.test_pgd_acc)],
  ["train PGD", 9, (e) => percent(e.train_pgd_acc)],
  ["align", 5, (e) => decimals(e.gradient_alignment, 2)],
  ["cos δ", 5, (e) => decimals(e.cos_fgsm_pgd, 2)],
];

/** Heading of the evaluations' rows. */
export function evaluationHeading(): string {
  return [...COLUMNS.map(([heading, width]) => heading.padStart(width)), "images/s"].join(" ");
}

/** The lines that stay of an event; `speed` is the latest in images a second. */
export function describeEvent(event: RunEvent, speed: number | undefined, paint: Paint): string[] {
  switch (event.type) {
    case "run":
      return [
        `${event.description}${event.resumed ? ", resumed" : ""}`,
        `${event.machine.backend}, ${event.machine.threads} thread${event.machine.threads === 1 ? "" : "s"}; run folder ${event.directory}`,
      ];
    case "data":
      return event.classesFrom === "definition" ? [] : [describeFolder(event)];
    case "start": {
      const from = event.iteration > 0 ? ` from step ${count(event.iteration)}` : "";
      // Of a run that goes on the first step is still to come.
      const compiled = event.compileMs > 0 ? `, compiled in ${decimals(event.compileMs / 1000, 1)} s` : "";
      return [
        `${count(event.parameters)} parameters, ${count(event.iterations)} steps${from}${compiled}${describeMemory(event)}`,
        ...describeMicroBatches(event),
      ];
    }
    case "evaluation":
      return [
        [...COLUMNS.map(([, width, show]) => show(event.evaluation).padStart(width)), (speed ? count(speed) : "–").padStart(8)].join(" "),
        ...signs(event.evaluation, paint),
        ...notFinite(event.evaluation.non_finite, paint),
      ];
    case "catastrophic-overfitting":
      return [paint("red", `catastrophic overfitting at iteration ${count(event.iteration)}, epoch ${event.epoch.toFixed(1)}: ${event.evidence}`)];
    case "alarm":
      return [paint("red", describeAlarm(event))];
    case "end":
      return event.interrupted ? [paint("yellow", `stopped after iteration ${count(event.iteration)}, checkpoint written`)] : [];
    case "attacking":
      return event.done === 0 ? [`attacking the ${event.which} model with ${attackName(event.attack)}, ${count(event.total)} test images`] : [];
    case "robustness":
      return [describeRobustness(event.record)];
    case "report":
      return [`report: ${event.path}`];
    case "outcome":
      return event.kind === "healthy" ? [] : [paint("red", `${VERDICTS[event.kind]}: ${event.evidence}`)];
    default:
      return [];
  }
}

function describeMemory({ memory }: Extract<RunEvent, { type: "start" }>): string {
  if (!memory) return "";
  return `; ${bytes(memory.needed)} of memory${memory.most === undefined ? "" : ` of at most ${bytes(memory.most)}`}`;
}

function describeMicroBatches({ microBatches }: Extract<RunEvent, { type: "start" }>): string[] {
  if (!microBatches) return [];
  const { parts, size, normalized } = microBatches;
  const equal = normalized
    ? `batch norm takes its statistics of each, so this is not the training with a batch of ${count(parts * size)} at once`
    : `as with a batch of ${count(parts * size)} at once, but for rounding and an attack's random draws`;
  return [`each step in ${count(parts)} micro-batches of ${count(size)}: ${equal}`];
}

function describeFolder({ train, test, classes, classesFrom }: Extract<RunEvent, { type: "data" }>): string {
  const from = classesFrom === "labels" ? "counted from the labels" : `listed in ${classesFrom}`;
  return `${count(train)} training and ${count(test)} test images of ${classes} classes, ${from}`;
}

/** What the steps of a watched run tell of their attack. */
function signs({ attack_alignment: alignment, fallen_losses: fallen }: Evaluation, paint: Paint): string[] {
  if (fallen === undefined) return [];
  return [paint("dim", `${" ".repeat(10)}guard: attack and training aligned ${decimals(alignment, 2)}, losses that fell ${percent(fallen)}`)];
}

function notFinite(share: number, paint: Paint): string[] {
  return share > 0 ? [paint("red", `logits of ${percent(share)} of the test images are not finite: wrong answers`)] : [];
}

/** An attack's outcome in one line. */
export function describeRobustness(record: RobustnessRecord): string {
  const [low, high] = record.confidence95;
  const attacked =
    record.attack === "none" ? "" : `, ${attackName(record.attack)} ${percent(record.robustAccuracy)} (95 % interval ${percent(low)} to ${percent(high)})`;
  const broken = record.nonFiniteShare ? `, logits of ${percent(record.nonFiniteShare)} not finite` : "";
  return `${record.which} (iteration ${count(record.iteration)}): clean ${percent(record.cleanAccuracy)}${attacked}${broken}, first ${count(record.n)} test images`;
}
