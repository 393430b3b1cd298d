/** @file The binary record format. */
import { describe, expect, it } from "vitest";
import { RECORD_BYTES } from "../../src/data/cifar-records.ts";
import { cifar10 } from "../../src/data/cifar10.ts";
import { contents, readFrom, tinyCifar10 } from "./cifar-fixture.ts";

describe("CIFAR-10's records", () => {
  it("become labels and NCHW pixels, in file order", async () => {
    const data = await readFrom(tinyCifar10);
    expect(data).toMatchObject({ name: "cifar10", shape: [3, 32, 32], classNames: cifar10.classNames, flip: true, crop: 4 });
    expect([data.train.count, data.test.count]).toEqual([7, 2]);
    expect([...data.train.labels]).toEqual([1, 2, 3, 4, 2, 3, 4]);
    expect([...data.test.labels]).toEqual([3, 4]);
    const secondFile = contents.get("data_batch_2.bin")!;
    expect(data.train.images.subarray(4 * 3072, 5 * 3072)).toEqual(secondFile.subarray(1, RECORD_BYTES));
  });

  it.each([
    [
      "a file that is too short",
      new Uint8Array(6145),
      "test_batch.bin is truncated: expected 3073 bytes of a record at offset 3073, found 3072; fetch the file again",
    ],
    ["a file that is too long", new Uint8Array(6147), "test_batch.bin is too long: expected 2 records of 3073 bytes, found more; fetch the file again"],
    ["a label that is no class", new Uint8Array(6146).fill(10), "test.labels[0] (=10) must be an integer from 0 to 9"],
  ])("refuse %s", async (_, bytes, message) => {
    await expect(readFrom(tinyCifar10, new Map(contents).set("test_batch.bin", bytes))).rejects.toThrow(
      expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }),
    );
  });

  it("lie in six official files", () => {
    expect(cifar10.files.map((file) => file.bytes)).toEqual(Array(6).fill(30_730_000));
    expect(new Set(cifar10.files.map((file) => file.checksum.digest)).size).toBe(6);
  });
});
