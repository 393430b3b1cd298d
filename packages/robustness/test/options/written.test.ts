/** @file Names with options as texts: read to the declared kinds, written again, and refused with their place. */
import { architectureOf, createModel, flag, integerOr, number, parseArchitecture, readOptions, readWritten, writeArchitecture } from "@gradalign/robustness";
import { describe, expect, test } from "vitest";

describe("NAME:option=value", () => {
  const table = {
    rate: number({ default: 1, above: 0, help: "" }),
    loop: flag({ default: false, help: "" }),
    most: integerOr(null, { help: "", least: 1 }),
  };
  const read = (text: string) => {
    const { name, texts } = readWritten("--attack", text);
    return [name, readOptions("--attack", name, table, texts)];
  };

  test("values are of their option's kind", () => {
    expect(read("square")).toEqual(["square", {}]);
    expect(read("a-b:rate=2.5e-1, loop=yes,most=none")).toEqual(["a-b", { rate: 0.25, loop: true, most: null }]);
  });

  test.each([
    ["a:", '--attack (="a:") must be NAME or NAME:option=value,option=value, each option once'],
    ["a:rate=1,rate=2", "each option once"],
    ["a:rate", "must be NAME or NAME:option=value"],
    ["a:rate=0x10", '--attack: rate (="0x10") must be a number above 0'],
    ["a:loop=1", '--attack: loop (="1") must be true or false'],
    ["a:most=0", "--attack: most (=0) must be an integer of at least 1, or null"],
    ["a:width=1", '--attack: width (="1") is not an option of a, which has rate, loop, most'],
  ])("%s is refused", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test("an architecture is written as it is read", () => {
    for (const text of ["resnet50:width=16,stem=imagenet", "dm-wide-resnet:depth=16,widen=2,activation=relu", "cnn:filters=8"]) {
      const { name, options } = parseArchitecture(text);
      expect(writeArchitecture({ name, options })).toBe(text);
      expect(writeArchitecture(architectureOf(createModel({ name, ...options })))).toBe(text);
    }
    expect(() => parseArchitecture("toString")).toThrow('--arch (="toString") must begin with one of cnn,');
  });
});
