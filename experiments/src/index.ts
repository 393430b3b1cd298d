/** @file The registry of the paper's experiments: one line each. */

import { collapseBySeed } from "./collapse-by-seed.ts";
import { corners } from "./corners.ts";
import { earlyStopping } from "./early-stopping.ts";
import { eq6 } from "./eq6.ts";
import { fig1 } from "./fig1.ts";
import { fig2 } from "./fig2.ts";
import { fig3 } from "./fig3.ts";
import { fig4 } from "./fig4.ts";
import { fig5 } from "./fig5.ts";
import { fig6 } from "./fig6.ts";
import { fig7 } from "./fig7.ts";
import { fig8 } from "./fig8.ts";
import { fig11 } from "./fig11.ts";
import { largeEpsilon } from "./large-epsilon.ts";
import { lemma1 } from "./lemma1.ts";
import { lemma2 } from "./lemma2.ts";
import { linearity } from "./linearity.ts";
import { longTraining } from "./long-training.ts";
import type { Experiment } from "./paper/experiment.ts";
import { regularizers } from "./regularizers.ts";
import { table1 } from "./table1.ts";
import { tables } from "./tables.ts";

export * from "./paper/experiment.ts";
export { paperValue } from "./paper/numbers.ts";
export { madeUpImages } from "./support/made-up-images.ts";
export { levels, radius } from "./support/statistics.ts";

/** Every experiment, in the paper's order. */
export const experiments: readonly Experiment[] = [
  fig1,
  fig2,
  lemma1,
  lemma2,
  fig3,
  table1,
  corners,
  fig4,
  fig5,
  fig6,
  fig7,
  eq6,
  fig8,
  linearity,
  fig11,
  collapseBySeed,
  earlyStopping,
  tables,
  largeEpsilon,
  longTraining,
  regularizers,
];
