/** @file The binary record format. */
import { describe, expect, it } from "vitest";
import { CIFAR10_CLASSES, CIFAR10_FILES, CIFAR10_RECORD_BYTES, parseCifar10 } from "../../src/data/cifar10.ts";
import { contents, files } from "./cifar-fixture.ts";

describe("parseCifar10", () => {
  it("splits records into labels and NCHW pixels, in file order", () => {
    const data = parseCifar10(contents, files);
    expect(data).toMatchObject({ name: "cifar10", shape: [3, 32, 32], classNames: CIFAR10_CLASSES, flip: true, crop: 4 });
    expect([data.train.count, data.test.count]).toEqual([7, 2]);
    expect([...data.train.labels]).toEqual([1, 2, 3, 4, 2, 3, 4]);
    expect([...data.test.labels]).toEqual([3, 4]);
    const secondFile = contents.get("data_batch_2.bin")!;
    expect(data.train.images.subarray(4 * 3072, 5 * 3072)).toEqual(secondFile.subarray(1, CIFAR10_RECORD_BYTES));
  });

  it("refuses a missing file", () => {
    const some = new Map([...contents].slice(1));
    expect(() => parseCifar10(some, files)).toThrow("parseCifar10: data_batch_1.bin is missing; all 3 files are needed");
  });

  it("refuses a file of another length", () => {
    const short = new Map(contents).set("test_batch.bin", new Uint8Array(6145));
    expect(() => parseCifar10(short, files)).toThrow("test_batch.bin must hold 2 records x 3073 = 6146 bytes, got 6145");
  });

  it("refuses a label that is no class", () => {
    const bad = new Map(contents).set("test_batch.bin", new Uint8Array(6146).fill(10));
    expect(() => parseCifar10(bad, files)).toThrow("test.labels[0] (=10) must be an integer from 0 to 9");
  });

  it("knows the six official files", () => {
    expect(CIFAR10_FILES.map((file) => file.records * CIFAR10_RECORD_BYTES)).toEqual(Array(6).fill(30_730_000));
    expect(new Set(CIFAR10_FILES.map((file) => file.sha1)).size).toBe(6);
  });
});
