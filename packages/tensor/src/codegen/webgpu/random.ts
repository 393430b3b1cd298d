/** @file The Philox generator in WGSL: an invocation computes one counter's four words. */
import { PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1 } from "../../base/random.ts";
import type { RandomKernel } from "../../ir/kernel.ts";
import { ceilDiv, type KernelCode, linearGrid, shader, WORKGROUP } from "./kernel-code.ts";
import { type BufferBinding, Memory } from "./memory.ts";

/** High words of products: WGSL has no 64-bit integers, so 16-bit halves are multiplied. */
const GLOBALS = `fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let middle2 = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (middle2 >> 16u);
}`;

export function generateRandom({ keys = 1, count }: RandomKernel, places: readonly BufferBinding[]): KernelCode {
  const memory = new Memory(places, ["int32", "int32", "int32"], () => false);
  const perKey = ceilDiv(count, 4);
  const items = keys * perKey;
  const one = keys === 1;
  const { workgroups, index } = linearGrid(ceilDiv(items, WORKGROUP));
  const hex = (word: number): string => `0x${word.toString(16)}u`;
  const body = [
    `let item = ${index} * ${WORKGROUP} + i32(lane);`,
    `if (item >= ${items}) { return; }`,
    ...(one ? [] : [`let key = item / ${perKey};`, `let block = item % ${perKey};`]),
    `var k0 = u32(${memory.load(0, "int32", one ? "0" : "key * 2")});`,
    `var k1 = u32(${memory.load(0, "int32", one ? "1" : "key * 2 + 1")});`,
    `var c = vec4<u32>(u32(${one ? "item" : "block"}), u32(${memory.load(1, "int32", "0")}), 0u, 0u);`,
    "for (var round = 0; round < 10; round++) {",
    `let high0 = multiply_high(${hex(PHILOX_M0)}, c.x);`,
    `let high1 = multiply_high(${hex(PHILOX_M1)}, c.z);`,
    `c = vec4<u32>(high1 ^ c.y ^ k0, c.z * ${hex(PHILOX_M1)}, high0 ^ c.w ^ k1, c.x * ${hex(PHILOX_M0)});`,
    `k0 += ${hex(PHILOX_W0)};`,
    `k1 += ${hex(PHILOX_W1)};`,
    "}",
    ...[0, 1, 2, 3].map((word) => {
      const at = one ? `item * 4 + ${word}` : `key * ${count} + block * 4 + ${word}`;
      const store = memory.store(2, "int32", at, `i32(c[${word}])`);
      // The last four words may be cut by the end of the key's words.
      return word === 0 || count % 4 === 0 ? store : `if (${one ? "item" : "block"} * 4 + ${word} < ${count}) { ${store} }`;
    }),
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n"), globals: GLOBALS }), workgroups };
}
