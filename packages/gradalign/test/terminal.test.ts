/** @file What terminals show: bars, tables, redrawn lines, and the live view of runs side by side. */
import type { Evaluation } from "@gradalign/robustness";
import { bytes, count, duration, percent, radius } from "@gradalign/runs";
import { describe, expect, test, vi } from "vitest";
import { syntheticRun } from "../../runs/test/support/synthetic-run.ts";
import { clip, LiveRegion } from "../src/terminal/live-region.ts";
import { fittingParts, progressBar, sparkline, statusLine } from "../src/terminal/progress-bar.ts";
import { paintFor } from "../src/terminal/style.ts";
import { textTable } from "../src/terminal/table.ts";
import { createTrainingView } from "../src/terminal/training-view.ts";

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

describe("a line about what is going on", () => {
  const parts = ["epoch 15.0", "ETA 1:01", "12,345 images/s", "loss 2.100"];

  test("shrinks its bar first, then leaves out what matters least, and is shorter than the terminal is wide", () => {
    expect(statusLine(0.5, parts, 100)).toBe("████████████░░░░░░░░░░░░  50 %  epoch 15.0  ETA 1:01  12,345 images/s  loss 2.100");
    expect(statusLine(0.5, parts, 70)).toBe("██████░░░░░░  50 %  epoch 15.0  ETA 1:01  12,345 images/s  loss 2.100");
    expect(statusLine(0.5, parts, 40)).toBe("█████▌░░░░░  50 %  epoch 15.0  ETA 1:01");
    for (let columns = 12; columns < 120; columns++) expect(statusLine(0.5, parts, columns).length).toBeLessThan(columns);
    // A terminal that does not know its width is taken for one of 80.
    expect(statusLine(0.5, parts, 0)).toBe(statusLine(0.5, parts, 80));
  });

  test("says as much as fits", () => {
    expect([20, 19, 8, 4].map((columns) => fittingParts(["final", "ETA 9 s"], columns))).toEqual(["  final  ETA 9 s", "  final  ETA 9 s", "  final", ""]);
  });
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
    expect(screen[5]).toBe("████████████░░░░░░░░░░░░  50 %  epoch 15.0  ETA 1:01  12,345 images/s  loss 2.100");
    view.finish();
    expect(stdout.screen()).toHaveLength(5);
  });

  const attacking = (done: number) => ({ type: "attacking", attack: "pgd-50-10", which: "last", done, total: 1000 }) as const;
  /** The last line of a run's view, of so many columns, after these events. */
  function lastLine(columns: number, compact: boolean, ...events: Parameters<ReturnType<typeof createTrainingView>["event"]>[1][]): string {
    const stdout = fakeTerminal(columns);
    const runs = compact ? ["fgsm-gradalign", "fgsm"] : ["fgsm"];
    const view = createTrainingView({ streams: { stdout, stderr: stdout }, json: false, runs, compact });
    vi.useFakeTimers({ toFake: ["performance"] });
    for (const event of events) {
      // Longer than between two redraws.
      vi.advanceTimersByTime(3000);
      view.event("fgsm", event);
    }
    vi.useRealTimers();
    expect(
      Math.max(
        ...stdout
          .screen()
          .slice(-1)
          .map((line) => line.length),
      ),
    ).toBeLessThan(columns);
    return stdout.screen().at(-1) as string;
  }
  const [evaluation] = evaluations.slice(-1) as [Evaluation];
  const trained = [start, { type: "evaluation", evaluation }, { ...step, iteration: 11_700, epoch: 30 }] as const;

  test.each([
    [120, false, "██████░░░░░░░░░░░░░░░░░░  25 %  final attack  ETA 9 s  PGD-50-10 on last"],
    [80, false, "██████░░░░░░░░░░░░░░░░░░  25 %  final attack  ETA 9 s  PGD-50-10 on last"],
    [40, false, "██▌░░░░░░░  25 %  final attack  ETA 9 s"],
    [120, true, "  final attack 25 %  ETA 9 s"],
    [80, true, "  final attack 25 %"],
  ])("of %i columns (compact: %s) says that the final attack goes on, with its own progress", (columns, compact, expected) => {
    const line = lastLine(columns, compact, ...trained, attacking(0), attacking(250));
    if (compact) expect(line.endsWith(expected)).toBe(true);
    else expect(line).toBe(expected);
    // The next attack begins anew.
    expect(lastLine(columns, compact, ...trained, attacking(1000), { ...attacking(0), which: "best" })).toMatch(
      columns === 80 && compact ? /final attack 0 %$/ : / 0 %/,
    );
  });

  test("rows of evaluations fit 80 columns", () => {
    const screen = fakeTerminal(80);
    const view = createTrainingView({ streams: { stdout: screen, stderr: screen }, json: false, runs: ["fgsm"] });
    view.event("fgsm", start);
    view.event("fgsm", step);
    view.event("fgsm", { type: "evaluation", evaluation: { ...evaluation, iteration: 1_234_567, test_clean_acc: 1, test_fgsm_acc: 1, test_pgd_acc: 1 } });
    expect(Math.max(...screen.screen().map((line) => line.length))).toBeLessThan(80);
    expect(screen.screen().join("\n")).toContain("100.0 %");
    view.event("fgsm", { type: "evaluation", evaluation: { ...evaluation, attack_alignment: -0.123, fallen_losses: 1 } });
    expect(Math.max(...screen.screen().map((line) => line.length))).toBeLessThan(80);
  });

  test("a watched run's rows say what the steps tell of their attack, and an alarm what was done about it", () => {
    const screen = fakeTerminal(120);
    const view = createTrainingView({ streams: { stdout: screen, stderr: screen }, json: false, runs: ["fgsm"] });
    view.event("fgsm", { type: "evaluation", evaluation });
    expect(screen.screen().join("\n")).not.toContain("guard");
    view.event("fgsm", { type: "evaluation", evaluation: { ...evaluation, attack_alignment: 0.557, fallen_losses: 0.2425 } });
    view.event("fgsm", { type: "evaluation", evaluation: { ...evaluation, attack_alignment: null, fallen_losses: 0 } });
    view.event("fgsm", { type: "alarm", iteration: 1234, epoch: 3.164, evidence: "the loss fell", restored: 1000, change: "noise" });
    const text = screen.screen().join("\n");
    expect(text).toContain("guard: attack and training aligned 0.56, losses that fell 24.3 %");
    expect(text).toContain("guard: attack and training aligned –, losses that fell 0.0 %");
    expect(text).toContain("alarm at iteration 1,234, epoch 3.16: the loss fell; back to iteration 1,000's state, on with half as much noise again");
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
