/** @file One spelling per JSON value, and keys given twice. */
import { describe, expect, it } from "vitest";
import { canonicalJson, findDuplicateKey, parseJson, shown } from "../src/json.ts";

describe("canonicalJson", () => {
  it.each([
    [{ b: 1, a: [true, null, "x"], c: { z: -0, y: 1.5 } }, '{"a":[true,null,"x"],"b":1,"c":{"y":1.5,"z":0}}'],
    [{ a: undefined, b: Number.POSITIVE_INFINITY }, '{"b":null}'],
    [[undefined, Number.NaN], "[null,null]"],
    ['"\n', '"\\"\\n"'],
  ])("%j", (value, text) => {
    expect(canonicalJson(value)).toBe(text);
    expect(canonicalJson(JSON.parse(text))).toBe(text);
  });
});

describe("findDuplicateKey", () => {
  it.each([
    ['{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}', undefined],
    ['{"a":{"x":1},"b":2,"a":3}', "a"],
    ['{"o":{"k":1,"k" : 2}}', "k"],
    ['{"a":"a","b":["a","a"],"c":"{\\"a\\":1}"}', undefined],
    ['{"\\u0061":1,"a":2}', "a"],
    ['{"a\\"":1,"a\\"":2}', 'a"'],
  ])("%s: %s", (text, key) => {
    expect(findDuplicateKey(text)).toBe(key);
  });
});

describe("parseJson", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

  it("reads what JSON.parse reads, from text and from UTF-8", () => {
    const text = '{"a":[1,{"b":"}]\\"["}],"c":null}';
    expect(parseJson(text)).toEqual(JSON.parse(text));
    expect(parseJson(new TextEncoder().encode(text))).toEqual(JSON.parse(text));
    expect(parseJson(nested(64))).toEqual(JSON.parse(nested(64)));
  });

  it("takes long strings", () => {
    const long = "x\\".repeat(5_000_000);
    expect(parseJson(JSON.stringify({ long }))).toEqual({ long });
  });

  it.each([
    ['{"a":', /^is not JSON \(/],
    ['"open', /^is not JSON \(/],
    ['{"a":1,"a":2}', /^has the name "a" twice$/],
    [nested(65), /^is nested more than 64 deep$/],
    [nested(1_000_000), /^is nested more than 64 deep$/],
    ["[".repeat(1_000_000), /^is nested more than 64 deep$/],
    [`{"${"k".repeat(1000)}":1,"${"k".repeat(1000)}":2}`, /^has the name "k{79}… twice$/],
  ])("refuses %.40s", (text, message) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ name: "SyntaxError", message: expect.stringMatching(message) }));
  });

  it("refuses bytes that are no UTF-8", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(/^is not JSON \(/);
  });
});

describe("shown", () => {
  it.each([
    [[1, 2], "[1,2]"],
    ["a\u001b[31m", '"a\\u001b[31m"'],
    [undefined, "undefined"],
    ["x".repeat(200), `"${"x".repeat(79)}…`],
  ])("%j", (value, text) => {
    expect(shown(value)).toBe(text);
  });
});
