/** @file A classifier that answers the same image differently: gradients and successes are those of one draw. */
import type { Answer } from "../attack-rounds.ts";
import type { Check } from "./check.ts";
import { logitDistance, ROWS, SAME } from "./probe.ts";

/** Draws that are compared with the first. */
const DRAWS = 4;

/** Attacks that average gradients over several draws are made for such classifiers: with those alone there is nothing to tell. */
export const randomOutput: Check = {
  id: "random-output",
  ofAnswers: true,
  async before({ attacks, probe }) {
    const averaging = attacks.length > 0 && attacks.every(({ options }) => Number(options["eot"] ?? 1) > 1);
    if (averaging) return null;
    const subjects = probe.subjects.slice(0, ROWS);
    const first = await probe.clean();
    const moved = new Set<number>();
    let farthest = 0;
    for (let draw = 1; draw <= DRAWS; draw++) {
      for (const [i, answer] of (await probe.answers(subjects, draw)).entries()) {
        const difference = logitDistance(first[i] as Answer, answer);
        farthest = Math.max(farthest, difference);
        if (difference > SAME) moved.add(i);
      }
    }
    if (moved.size === 0) return null;
    return {
      seen: `asked ${DRAWS + 1} times, the classifier gives other logits for ${moved.size} of ${subjects.length} images; they differ by up to ${farthest.toPrecision(2)} of their length`,
      images: moved.size,
      of: subjects.length,
    };
  },
};
