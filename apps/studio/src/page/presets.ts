/** @file A preset for each claim of the paper that this page can show, with the committed result that stands beside it. */
import type { TrainingSettings } from "@gradalign/runs";
import type { BySide } from "../protocol.ts";

/** What both sides have, and what each has otherwise. */
export interface Choice extends BySide<TrainingSettings> {
  readonly shared: TrainingSettings;
}

/** One claim. */
export interface Preset {
  readonly id: string;
  readonly title: string;
  /** What is trained and what to look at. */
  readonly text: string;
  readonly choice: Choice;
  /** The experiment whose committed results are shown. */
  readonly experiment: string;
}

const shared = { epsilon: 10, seed: 2, epochs: 30, evalEvery: 100 };
const fgsm = { method: "fgsm" };
const gradAlign = { method: "fgsm-gradalign" };

/** All presets; the first is the page's start. */
export const PRESETS: readonly Preset[] = [
  {
    id: "collapse",
    title: "FGSM collapses, GradAlign does not",
    text:
      "Both sides train on FGSM's perturbation from the same seed. Watch accuracy under PGD fall to zero on the left while accuracy under FGSM jumps up: " +
      "the network has learned to fool that one step. The regulariser on the right keeps input gradients aligned.",
    choice: { shared, left: fgsm, right: gradAlign },
    experiment: "fig11",
  },
  {
    id: "filter",
    title: "One filter is enough",
    text:
      "After the collapse one of the four filters has grown, and its outgoing weights with it. Look at the filters below, then set the marked one to zero: " +
      "alignment comes back.",
    choice: { shared, left: fgsm, right: gradAlign },
    experiment: "fig5",
  },
  {
    id: "radius",
    title: "In a smaller ball FGSM may do",
    text: "The same method, in a ball of 6/255 on the left and of 10/255 on the right. The smaller the ball, the more nearly linear the loss is in it.",
    choice: { shared, left: { ...fgsm, epsilon: 6 }, right: fgsm },
    experiment: "fig3",
  },
  {
    id: "random-step",
    title: "What a random start does",
    text:
      "FGSM-RS begins at a random point of the ball. The paper shows that this makes the perturbation shorter, and that it does not by itself prevent the " +
      "collapse in larger balls.",
    choice: { shared, left: fgsm, right: { method: "fgsm-rs" } },
    experiment: "fig2",
  },
  {
    id: "steps",
    title: "More steps follow the curve",
    text: "PGD takes several steps, each along a new gradient, and does not need the loss to be linear in the whole ball. It costs as many passes more.",
    choice: { shared, left: fgsm, right: { method: "pgd" } },
    experiment: "fig4",
  },
  {
    id: "corners",
    title: "Corners are not the reason",
    text:
      "FGSM's perturbations are corners of the ball. Training on PGD's perturbation pushed to its nearest corner is just as little diverse: the paper finds " +
      "that it does not collapse.",
    choice: { shared, left: fgsm, right: { method: "pgd-corner" } },
    experiment: "corners",
  },
];
