/** @file Fashion-MNIST: clothes in MNIST's form. Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms" (2017). */
import type { DatasetDefinition } from "./definition.ts";
import { gzipSource, idxFiles, mnist } from "./mnist.ts";

/** Fashion-MNIST. */
export const fashionMnist: DatasetDefinition = {
  ...mnist,
  name: "fashion-mnist",
  title: "Fashion-MNIST",
  paper: "Xiao et al. 2017",
  classNames: ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"],
  augment: { flip: true, crop: 0 },
  folder: "fashion-mnist",
  files: idxFiles({
    "train-images": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels": "15d484375f8d13e6eb1aabb0c3f46965",
  }),
  sources: [
    gzipSource("fashion-mnist.s3-website.eu-central-1.amazonaws.com", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", {
      "train-images": [26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"],
      "train-labels": [29_515, "25c81989df183df01b3e8a0aad5dffbe"],
      "t10k-images": [4_422_102, "bef4ecab320f06d8554ea6380940ec79"],
      "t10k-labels": [5_148, "bb300cfdad3c16e7a12a480ee83cd310"],
    }),
  ],
};
