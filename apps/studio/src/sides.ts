/** @file The two trainings beside each other, and where they may be computed. */

/** The two trainings that are watched beside each other. */
export type Side = "left" | "right";

/** Both, in reading order. */
export const SIDES: readonly Side[] = ["left", "right"];

/** Something of each side. */
export type BySide<T> = Readonly<Record<Side, T>>;

/** Where to compute; `auto` prefers a GPU, `webgpu` takes one that the processor imitates too. */
export type Backend = "auto" | "webgpu" | "wasm";

/** All backends that can be chosen. */
export const CHOICES: readonly Backend[] = ["auto", "webgpu", "wasm"];
