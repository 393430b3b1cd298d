/** @file The outcome of runs that went well, collapsed, diverged, or never learned. */
import { majorityShare, type OutcomePoint, runOutcome } from "@gradalign/robustness";
import { describe, expect, it } from "vitest";

/** Evaluations of a run on four classes, whose numbers change evenly from a fresh model's to those given. */
function series(end: Partial<OutcomePoint>): OutcomePoint[] {
  const start = { train_loss: 1.8, test_clean_acc: 0.25, test_fgsm_acc: 0.2, test_pgd_acc: 0.2, test_pgd_loss: 1.9, gradient_alignment: 0.9 };
  const last = { ...start, train_loss: 0.9, test_clean_acc: 0.8, test_fgsm_acc: 0.6, test_pgd_acc: 0.55, test_pgd_loss: 1, ...end } as typeof start;
  return [0, 0.5, 1].map((t, i) => ({
    iteration: 50 * i,
    epoch: i,
    ...(Object.fromEntries(Object.entries(start).map(([name, value]) => [name, (1 - t) * value + t * last[name as keyof typeof start]])) as typeof start),
  }));
}

const kindOf = (points: readonly OutcomePoint[], adversarial = true) => runOutcome(points, 0.25, adversarial)?.kind;

describe("runOutcome", () => {
  it("of a run that learned to be robust", () => {
    expect(runOutcome(series({}), 0.25, true)).toEqual({
      kind: "healthy",
      evidence: "clean accuracy is 80.0% at the end, PGD accuracy is 55.0% at the end",
      overfitting: null,
    });
  });

  it("of catastrophic overfitting, with its evidence", () => {
    const [fresh, robust] = series({ test_pgd_acc: 0.5 }).slice(1) as [OutcomePoint, OutcomePoint];
    const collapsed = { ...robust, iteration: 150, test_fgsm_acc: 0.9, test_pgd_acc: 0, test_pgd_loss: 8, gradient_alignment: 0.1 };
    const outcome = runOutcome([fresh, robust, collapsed], 0.25, true);
    expect(outcome?.kind).toBe("overfitted");
    expect(outcome?.overfitting?.iteration).toBe(150);
    expect(outcome?.evidence).toBe(outcome?.overfitting?.evidence);
    // Its loss under PGD is high because its answers are confident: that is no divergence.
    expect(kindOf([fresh, robust, { ...collapsed, test_pgd_loss: 300 }])).toBe("overfitted");
  });

  it("of an exploded loss, whatever the accuracy", () => {
    const dead = series({ train_loss: 52.8, test_clean_acc: 0.25, test_pgd_acc: 0.25, gradient_alignment: 1 });
    expect(runOutcome(dead, 0.25, true)).toMatchObject({ kind: "diverged", evidence: "the training loss is 52.8 at the end; guessing has 1.39" });
    expect(kindOf(series({ train_loss: 250_000, test_clean_acc: 0.47, test_pgd_acc: 0.38 }))).toBe("diverged");
    expect(kindOf(series({ train_loss: 52.8 }), false)).toBe("diverged");
  });

  it("of losses that are not finite, as they are and as JSON has them", () => {
    for (const name of ["train_loss", "test_pgd_loss"] as const) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const points = series({ [name]: value });
        expect(kindOf(points)).toBe("diverged");
        expect(kindOf(JSON.parse(JSON.stringify(points)) as OutcomePoint[])).toBe("diverged");
      }
    }
  });

  it("of a run no better than guessing", () => {
    const points = series({ train_loss: 1.39, test_clean_acc: 0.28, test_fgsm_acc: 0.25, test_pgd_acc: 0.25 });
    expect(runOutcome(points, 0.25, true)).toMatchObject({ kind: "learned nothing", evidence: "clean accuracy is 28.0% at the end; guessing gives 25.0%" });
    expect(kindOf(points, false)).toBe("learned nothing");
  });

  it("of a run no better than always answering the commonest class, where that is known", () => {
    const points = series({ test_clean_acc: 0.71, test_pgd_acc: 0.7 });
    expect(kindOf(points)).toBe("healthy");
    const labels = Uint8Array.from({ length: 100 }, (_, i) => (i < 70 ? 2 : i % 4));
    expect(majorityShare(labels)).toBeCloseTo(0.78);
    expect(runOutcome(points, 0.25, true, 0.7)).toMatchObject({
      kind: "learned nothing",
      evidence: "clean accuracy is 71.0% at the end; the commonest class alone gives 70.0%",
    });
    expect(runOutcome(series({ test_clean_acc: 0.8, test_pgd_acc: 0.6 }), 0.25, true, 0.7)?.kind).toBe("not robust");
  });

  it("of a run that PGD always defeats, which is a fault only if it was trained against an adversary", () => {
    const points = series({ test_fgsm_acc: 0.7, test_pgd_acc: 0 });
    expect(runOutcome(points, 0.25, true)).toMatchObject({ kind: "not robust", evidence: "PGD accuracy is 0.0% at the end; guessing gives 25.0%" });
    expect(kindOf(points, false)).toBe("healthy");
  });

  it("is unknown before the first evaluation", () => {
    expect(runOutcome([], 0.25, true)).toBeNull();
  });
});
