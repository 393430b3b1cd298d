/**
 * @file SVHN, cropped digits (format 2): MAT-files with `X`, 32 x 32 x 3 x N bytes in MATLAB's order, and `y`, where 10 means digit 0.
 *
 * Netzer et al., "Reading digits in natural images with unsupervised feature learning" (2011);
 * http://ufldl.stanford.edu/housenumbers/. The paper trains on `train` alone, without the extra images.
 */
import { DataError } from "@gradalign/tensor";
import { readAll } from "./byte-reader.ts";
import type { SplitArrays } from "./dataset.ts";
import { type DatasetDefinition, type DatasetFile, md5, type OpenFile } from "./definition.ts";
import { type MatVariable, matVariables } from "./mat.ts";

const SITE = "http://ufldl.stanford.edu/housenumbers";
const SIZE = 32;
const CHANNEL = SIZE * SIZE;
const IMAGE = 3 * CHANNEL;

const FILES: readonly DatasetFile[] = [
  { name: "train_32x32.mat", split: "train", images: 73_257, bytes: 182_040_794, checksum: md5("e26dedcc434d2e4c54c9b2d4a06d8373") },
  { name: "test_32x32.mat", split: "test", images: 26_032, bytes: 64_275_384, checksum: md5("eb5a983be6a315427106f1b164d9cef3") },
];

/** SVHN; a mirrored digit is none. */
export const svhn: DatasetDefinition = {
  name: "svhn",
  title: "SVHN",
  paper: "Netzer et al. 2011",
  classNames: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  shape: [3, SIZE, SIZE],
  splits: { train: 73_257, test: 26_032 },
  augment: { flip: false, crop: 4 },
  folder: "svhn",
  files: FILES,
  sources: [
    {
      name: "ufldl.stanford.edu",
      layout: "files",
      parts: FILES.map(({ name, bytes, checksum }) => ({ fileName: name, url: `${SITE}/${name}`, bytes, checksum })),
    },
  ],
  readSplit: readSvhnSplit,
};

/**
 * Reads a split's only file; it is decompressed and turned to [N, C, H, W] as it is read.
 *
 * @throws DataError when the file is broken, or X and y are not N images and N labels from 1 to 10.
 */
async function readSvhnSplit(open: OpenFile, files: readonly DatasetFile[]): Promise<SplitArrays> {
  const [file] = files as [DatasetFile];
  let images: Uint8Array | undefined;
  let labels: Uint8Array | undefined;
  for await (const variable of matVariables(open(file.name), file.name)) {
    if (variable.name === "X") images = await readImages(variable, file);
    else if (variable.name === "y") labels = await readLabels(variable, file);
  }
  if (!images || !labels) {
    throw new DataError(`${file.name} must hold the variables X and y, ${images ? "y" : labels ? "X" : "both"} missing; fetch the file again`);
  }
  return { images, labels };
}

async function readImages({ className, storage, dims, data }: MatVariable, { name, images: count }: DatasetFile): Promise<Uint8Array> {
  if (className !== "uint8" || storage.name !== "uint8") {
    throw new DataError(`${name}: X must be uint8, found ${className} stored as ${storage.name}; save the pixels as uint8`);
  }
  const expected = [SIZE, SIZE, 3, count];
  // MATLAB drops trailing dimensions of 1.
  if ((count === 1 ? [...dims, 1].slice(0, 4) : dims).join() !== expected.join()) {
    throw new DataError(`${name}: X must be ${expected.join(" x ")}, found ${dims.join(" x ")}; fetch the file again`);
  }
  const images = new Uint8Array(count * IMAGE);
  // Column-major: the source runs over rows first, then columns, channels and images.
  let [row, target] = [0, 0];
  let [column, channel] = [0, 0];
  for await (const bytes of data) {
    for (const byte of bytes) {
      images[target] = byte;
      target += SIZE;
      if (++row < SIZE) continue;
      row = 0;
      if (++column === SIZE) [column, channel] = [0, channel + 1];
      target = channel * CHANNEL + column;
    }
  }
  return images;
}

async function readLabels({ storage, dims, data }: MatVariable, { name, images: count }: DatasetFile): Promise<Uint8Array> {
  if (dims.length !== 2 || Math.min(...dims) !== 1 || Math.max(...dims) !== count) {
    throw new DataError(`${name}: y must be ${count} x 1, found ${dims.join(" x ")}; fetch the file again`);
  }
  const bytes = await readAll(data, count * storage.bytes, `${name}: y`, "fetch the file again");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint8Array.from({ length: count }, (_, i) => {
    const label = storage.read(view, i * storage.bytes);
    if (!Number.isInteger(label) || label < 1 || label > 10) {
      throw new DataError(`${name}: y[${i}] (=${label}) must be an integer from 1 to 10, where 10 means digit 0; number the labels so`);
    }
    return label % 10;
  });
}
