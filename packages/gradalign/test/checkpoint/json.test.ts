/** @file One spelling per JSON value, and keys given twice. */
import { describe, expect, it } from "vitest";
import { canonicalJson, findDuplicateKey } from "../../src/checkpoint/json.ts";

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
