/** @file What terminals show: bars, tables, redrawn lines, and the live view of runs side by side. */
import { describe, expect, test } from "vitest";
import { bytes, count, duration, percent, radius } from "../src/terminal/format.ts";
import { clip, LiveRegion } from "../src/terminal/live-region.ts";
import { progressBar, sparkline } from "../src/terminal/progress-bar.ts";
import { paintFor } from "../src/terminal/style.ts";
import { textTable } from "../src/terminal/table.ts";
import { createTrainingView } from "../src/terminal/training-view.ts";
import { syntheticRun } from "./support/synthetic-run.ts";

/** A terminal that interprets the two codes that a live region uses, and forgets colours. */
function fakeTerminal(columns = 80) {
  const lines = [""];
  let row = 0;
  return {
    isTTY: true,
    columns,
    write(text: string) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal codes start with one.
      for (const [, up, clear, colour, newline, character] of text.matchAll(/\x1b\[(\d+)A|(\x1b\[J)|(\x1b\[\d+m|\r)|(\n)|(.)/gu)) {
        if (up) row -= Number(up);
        else if (clear) lines.splice(row, lines.length, "");
        else if (newline) lines[++row] ??= "";
        else if (!colour) lines[row] = `${lines[row]}${character}`;
      }
    },
    screen: () => lines.slice(0, -1),
  };
}

test("numbers are written for people", () => {
  expect([percent(0.1839), percent(Number.NaN), percent(null)]).toEqual(["18.4 %", "–", "–"]);
  expect([duration(8.2), duration(125), duration(3725), duration(Number.NaN)]).toEqual(["8 s", "2:05", "1:02:05", "–"]);
  expect([bytes(999), bytes(138_940_914), count(11_171_146), radius(8 / 255)]).toEqual(["999 B", "138.9 MB", "11,171,146", "8/255"]);
});

test("bars fill in eighths and keep their width", () => {
  expect([0, 0.5, 0.53, 1, 2].map((fraction) => progressBar(fraction, 4))).toEqual(["░░░░", "██░░", "██▏░", "████", "████"]);
  expect(sparkline([0, 0.1, 0.25, Number.NaN], 4, 0.25)).toBe("▁▄█▁");
});

test("tables align words left and numbers right", () => {
  expect(
    textTable([
      ["name", "accuracy"],
      ["fgsm", "1.0 %"],
      ["gradalign", "–"],
    ]),
  ).toEqual(["name       accuracy", "fgsm          1.0 %", "gradalign         –"]);
});

describe("a live region", () => {
  test("redraws its lines below what scrolls by", () => {
    const terminal = fakeTerminal();
    const region = new LiveRegion(terminal);
    region.show(["1 %"]);
    region.log("first");
    region.log("second");
    region.show(["100 %"]);
    region.finish();
    expect(terminal.screen()).toEqual(["first", "second", "100 %"]);
  });

  test("leaves nothing when cleared", () => {
    const terminal = fakeTerminal();
    const region = new LiveRegion(terminal);
    region.show(["1 %", "2 %"]);
    region.clear();
    expect(terminal.screen()).toEqual([]);
  });

  test("cuts lines that would wrap, colours not counted", () => {
    expect(clip("\x1b[1mabc\x1b[22mdef", 4)).toBe("\x1b[1mabc\x1b[22md");
  });
});

test("colours are for terminals, and not where NO_COLOR is set", () => {
  expect(paintFor({ write() {}, isTTY: true }, {})("red", "x")).toBe("\x1b[31mx\x1b[39m");
  expect(paintFor({ write() {}, isTTY: true }, { NO_COLOR: "1" })("red", "x")).toBe("x");
  expect(paintFor({ write() {} }, {})("red", "x")).toBe("x");
});

describe("the live view", () => {
  const { evaluations } = syntheticRun("fgsm", 6);
  const start = { type: "start", iterations: 11_700, iteration: 0, parameters: 41_082, compileMs: 900 } as const;
  const step = { type: "step", iteration: 5850, epoch: 15, loss: 2.1, imagesPerSecond: 12_345, etaSeconds: 61 } as const;

  test("of one run: a row per evaluation above a bar with speed and time left", () => {
    const stdout = fakeTerminal(100);
    const view = createTrainingView({ streams: { stdout, stderr: stdout }, json: false, runs: ["fgsm"] });
    view.event("fgsm", start);
    view.event("fgsm", step);
    for (const evaluation of evaluations.slice(0, 2)) view.event("fgsm", { type: "evaluation", evaluation });
    view.event("fgsm", step);
    view.note("remark");
    const screen = stdout.screen();
    expect(screen[0]).toBe("41,082 parameters, 11,700 steps, compiled in 0.9 s");
    expect(screen[1]).toMatch(/^iteration +epoch +loss +clean/);
    expect(screen[3]).toMatch(/^ +200 +0\.51 .* 12,345$/);
    expect(screen[5]).toBe("████████████░░░░░░░░░░░░  50 %  epoch 15.0  12,345 images/s  ETA 1:01  loss 2.100");
    view.finish();
    expect(stdout.screen()).toHaveLength(5);
  });

  test("of two runs: a line each, and overfitting the moment it is found", () => {
    const stdout = fakeTerminal(120);
    const view = createTrainingView({ streams: { stdout, stderr: stdout }, json: false, runs: ["fgsm", "fgsm-gradalign"], compact: true });
    const [first, second] = [evaluations[0], evaluations[20]];
    if (!first || !second) throw new Error("the synthetic run is too short");
    for (const run of ["fgsm", "fgsm-gradalign"]) {
      view.event(run, start);
      view.event(run, { type: "evaluation", evaluation: first });
    }
    view.event("fgsm", { type: "evaluation", evaluation: second });
    view.event("fgsm", {
      type: "catastrophic-overfitting",
      iteration: 4000,
      epoch: 10.26,
      evidence: "PGD accuracy fell",
      before: first,
      after: second,
    });
    view.finish();
    const screen = stdout.screen();
    expect(screen).toContain("fgsm            catastrophic overfitting at iteration 4,000, epoch 10.3: PGD accuracy fell");
    expect(screen.slice(-2).map((line) => line.slice(0, 14).trim())).toEqual(["fgsm", "fgsm-gradalign"]);
  });
});
