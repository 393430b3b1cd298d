import { DataError } from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import { decodeImage } from "../../src/images/decode.ts";
import { checksum, fileOf, vectors } from "./vectors.ts";

const names = Object.keys(vectors.files);
/** Pillow fills up the rows that are missing. */
const stricter = ["too-few-rows.png", "gif-inside.jpg"];
const isDecoded = (name: string) => vectors.files[name]?.image && !stricter.includes(name);

describe("decoded images are Pillow's", () => {
  test.each(names.filter(isDecoded))("%s", async (name) => {
    const image = await decodeImage(fileOf(name));
    expect([image.width, image.height, checksum(image)]).toEqual(vectors.files[name]?.image);
  });
});

describe("what Pillow refuses is refused, and a little more", () => {
  test.each(names.filter((name) => !isDecoded(name)))("%s", async (name) => {
    await expect(decodeImage(fileOf(name))).rejects.toThrow(DataError);
  });
});

const message = (file: Uint8Array) =>
  decodeImage(file).then(
    () => "decoded",
    (error: Error) => error.message,
  );

test("a file of another format is told by what it is", async () => {
  expect(await message(fileOf("gif-inside.jpg"))).toBe("the file must be a JPEG, PNG or WebP, it is a GIF; convert it, or leave it out");
  expect(await message(new Uint8Array())).toMatch("it is empty");
  expect(await message(new TextEncoder().encode("<!doctype html>"))).toMatch("perhaps a web page");
});

test("sizes are refused before memory is taken for them", async () => {
  const jpeg = fileOf("17x33-420.jpg");
  const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  jpeg.set([0x4e, 0x20, 0x4e, 0x20], frame + 5); // 20,000 x 20,000
  expect(await message(jpeg)).toBe("the JPEG has 20000 x 20000 pixels, more than the limit of 89478485; make it smaller");
  jpeg.set([0x10, 0, 0x10, 0], frame + 5);
  expect(await message(jpeg)).toMatch(/bytes cannot hold the 4096 x 4096 pixels it announces/);
  const webp = fileOf("lossy.webp");
  webp.set([0xff, 0x3f, 0xff, 0x3f], 26);
  expect(await message(webp)).toMatch("16383 x 16383 pixels, more than the limit");
});

test("a decoder that has failed decodes the next file", async () => {
  for (const good of ["17x33-420.jpg", "type2-8.png", "lossy.webp"]) {
    const file = fileOf(good);
    for (let at = 30; at < file.length; at += 7) {
      const bytes = file.slice();
      bytes[at] = (bytes[at] as number) ^ 0x55;
      await message(bytes);
    }
    const image = await decodeImage(file);
    expect(checksum(image)).toBe(vectors.files[good]?.image?.[2]);
  }
});
