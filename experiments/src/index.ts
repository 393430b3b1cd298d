/** @file The registry of the paper's experiments: one line each. */

import { cheapGradAlign } from "./experiments/cheap-gradalign.ts";
import { collapseBySeed } from "./experiments/collapse-by-seed.ts";
import { corners } from "./experiments/corners.ts";
import { earlyStopping } from "./experiments/early-stopping.ts";
import { eq6 } from "./experiments/eq6.ts";
import { fig1 } from "./experiments/fig1.ts";
import { fig2 } from "./experiments/fig2.ts";
import { fig3 } from "./experiments/fig3.ts";
import { fig4 } from "./experiments/fig4.ts";
import { fig5 } from "./experiments/fig5.ts";
import { fig6 } from "./experiments/fig6.ts";
import { fig7 } from "./experiments/fig7.ts";
import { fig8 } from "./experiments/fig8.ts";
import { fig11 } from "./experiments/fig11.ts";
import { imagenet } from "./experiments/imagenet.ts";
import { largeEpsilon } from "./experiments/large-epsilon.ts";
import { lemma1 } from "./experiments/lemma1.ts";
import { lemma2 } from "./experiments/lemma2.ts";
import { linearity } from "./experiments/linearity.ts";
import { longTraining } from "./experiments/long-training.ts";
import { methodsExperiment } from "./experiments/methods.ts";
import { regularizers } from "./experiments/regularizers.ts";
import { table1 } from "./experiments/table1.ts";
import { tables } from "./experiments/tables.ts";
import type { Experiment } from "./paper/experiment.ts";

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
  imagenet,
  largeEpsilon,
  longTraining,
  regularizers,
  methodsExperiment,
  cheapGradAlign,
];
