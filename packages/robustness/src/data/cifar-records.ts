/**
 * @file Records of CIFAR-10's binary format: the label, then the red, green and blue bytes of a 32 x 32 image, row by row. CIFAR-100's have two
 * labels, the coarse one, of 20, before the fine one, of 100.
 */

/** Bytes of one record: label, then 3 x 32 x 32 pixels. */
export const RECORD_BYTES = 3073;

const PIXELS = RECORD_BYTES - 1;

/** Labels and pixels of so many images, and where the next record goes. */
export interface RecordSplit {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  /** Takes whole records. */
  add(records: Uint8Array): void;
}

/**
 * Room for so many records, filled in order.
 *
 * @param labelBytes labels in a record; the last one counts.
 */
export function recordSplit(count: number, labelBytes = 1): RecordSplit {
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let next = 0;
  return {
    images,
    labels,
    add(records) {
      for (let at = labelBytes; at < records.length; at += PIXELS + labelBytes, next++) {
        labels[next] = records[at - 1] as number;
        images.set(records.subarray(at, at + PIXELS), next * PIXELS);
      }
    },
  };
}
