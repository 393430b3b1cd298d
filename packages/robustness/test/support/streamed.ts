/** @file Streamed splits for tests: their decoder is a module in its own address. */
import type { ImageSplit, StreamedSplit } from "@gradalign/robustness";
import { streamedSplit } from "@gradalign/robustness/node";

/** A decoder that copies images from shared memory, and adds a number made of the draw where `varies`; image `broken` cannot be decoded. */
const MODULE = `
export const decoder = ({ images, varies, broken }) => ({
  decode(index, draw, into) {
    if (index === broken) throw Object.assign(new Error("folder/7.jpg is cut off"), { code: "DataError" });
    into.set(images.subarray(index * into.length, (index + 1) * into.length));
    if (!varies || !draw) return;
    const shift = (draw.seed * 7 + draw.epoch * 31 + index * 13) % 64;
    for (let i = 0; i < into.length; i++) into[i] = Math.min(255, into[i] + shift);
  },
});
`;

/** The address of a module's text. */
export const moduleAddress = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;

/** The same images, streamed. */
export function streamed(
  { images, labels }: ImageSplit,
  shape: readonly [number, number, number],
  { varies = false, broken = -1 }: { readonly varies?: boolean; readonly broken?: number } = {},
): StreamedSplit {
  const shared = new Uint8Array(new SharedArrayBuffer(images.length));
  shared.set(images);
  return streamedSplit({ labels, shape, varies, module: moduleAddress(MODULE), data: { images: shared, varies, broken } });
}
