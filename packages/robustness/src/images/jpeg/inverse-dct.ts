/**
 * @file The inverse cosine transform of a block, in the integers of libjpeg's "slow" one, so that every decoder that uses it, Pillow's
 * libjpeg-turbo among them, has the same bytes.
 *
 * Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989); constants have 13 bits, the
 * columns are done first and kept with two more bits.
 */

const rows = new Int32Array(64);

/**
 * Writes the 8 x 8 samples of a block.
 *
 * @param block dequantised coefficients, row by row.
 * @param highest the last coefficient in zig-zag order that may not be zero.
 * @param plane its bytes clamp what is written to them.
 * @param at where the block's first sample goes.
 */
export function inverseDct(block: Int32Array, highest: number, plane: Uint8ClampedArray, at: number, stride: number): void {
  if (highest === 0) {
    const level = (((block[0] as number) + 4) >> 3) + 128;
    for (let row = 0, to = at; row < 8; row++, to += stride) plane.fill(level, to, to + 8);
    return;
  }
  for (let i = 0; i < 8; i++) {
    const c0 = block[i] as number;
    const c1 = block[i + 8] as number;
    const c2 = block[i + 16] as number;
    const c3 = block[i + 24] as number;
    const c4 = block[i + 32] as number;
    const c5 = block[i + 40] as number;
    const c6 = block[i + 48] as number;
    const c7 = block[i + 56] as number;
    if ((c1 | c2 | c3 | c4 | c5 | c6 | c7) === 0) {
      const level = c0 << 2;
      rows[i] = level;
      rows[i + 8] = level;
      rows[i + 16] = level;
      rows[i + 24] = level;
      rows[i + 32] = level;
      rows[i + 40] = level;
      rows[i + 48] = level;
      rows[i + 56] = level;
      continue;
    }
    const even = Math.imul(c2 + c6, 4433);
    const e2 = (even - Math.imul(c6, 15137)) | 0;
    const e3 = (even + Math.imul(c2, 6270)) | 0;
    const e0 = (c0 + c4) << 13;
    const e1 = (c0 - c4) << 13;
    const a0 = (e0 + e3 + 1024) | 0;
    const a3 = (e0 - e3 + 1024) | 0;
    const a1 = (e1 + e2 + 1024) | 0;
    const a2 = (e1 - e2 + 1024) | 0;
    const z5 = Math.imul(c7 + c3 + c5 + c1, 9633);
    const z3 = (z5 - Math.imul(c7 + c3, 16069)) | 0;
    const z4 = (z5 - Math.imul(c5 + c1, 3196)) | 0;
    const z1 = Math.imul(c7 + c1, -7373);
    const z2 = Math.imul(c5 + c3, -20995);
    const o0 = (Math.imul(c7, 2446) + z1 + z3) | 0;
    const o1 = (Math.imul(c5, 16819) + z2 + z4) | 0;
    const o2 = (Math.imul(c3, 25172) + z2 + z3) | 0;
    const o3 = (Math.imul(c1, 12299) + z1 + z4) | 0;
    rows[i] = (a0 + o3) >> 11;
    rows[i + 56] = (a0 - o3) >> 11;
    rows[i + 8] = (a1 + o2) >> 11;
    rows[i + 48] = (a1 - o2) >> 11;
    rows[i + 16] = (a2 + o1) >> 11;
    rows[i + 40] = (a2 - o1) >> 11;
    rows[i + 24] = (a3 + o0) >> 11;
    rows[i + 32] = (a3 - o0) >> 11;
  }
  // Rounding, and 128 in the units of the last shift: samples are stored without a sign.
  const half = (1 << 17) + (128 << 18);
  for (let i = 0, to = at; i < 64; i += 8, to += stride) {
    const c0 = rows[i] as number;
    const c1 = rows[i + 1] as number;
    const c2 = rows[i + 2] as number;
    const c3 = rows[i + 3] as number;
    const c4 = rows[i + 4] as number;
    const c5 = rows[i + 5] as number;
    const c6 = rows[i + 6] as number;
    const c7 = rows[i + 7] as number;
    const even = Math.imul(c2 + c6, 4433);
    const e2 = (even - Math.imul(c6, 15137)) | 0;
    const e3 = (even + Math.imul(c2, 6270)) | 0;
    const e0 = ((c0 + c4) << 13) + half;
    const e1 = ((c0 - c4) << 13) + half;
    const a0 = (e0 + e3) | 0;
    const a3 = (e0 - e3) | 0;
    const a1 = (e1 + e2) | 0;
    const a2 = (e1 - e2) | 0;
    const z5 = Math.imul(c7 + c3 + c5 + c1, 9633);
    const z3 = (z5 - Math.imul(c7 + c3, 16069)) | 0;
    const z4 = (z5 - Math.imul(c5 + c1, 3196)) | 0;
    const z1 = Math.imul(c7 + c1, -7373);
    const z2 = Math.imul(c5 + c3, -20995);
    const o0 = (Math.imul(c7, 2446) + z1 + z3) | 0;
    const o1 = (Math.imul(c5, 16819) + z2 + z4) | 0;
    const o2 = (Math.imul(c3, 25172) + z2 + z3) | 0;
    const o3 = (Math.imul(c1, 12299) + z1 + z4) | 0;
    plane[to] = (a0 + o3) >> 18;
    plane[to + 7] = (a0 - o3) >> 18;
    plane[to + 1] = (a1 + o2) >> 18;
    plane[to + 6] = (a1 - o2) >> 18;
    plane[to + 2] = (a2 + o1) >> 18;
    plane[to + 5] = (a2 - o1) >> 18;
    plane[to + 3] = (a3 + o0) >> 18;
    plane[to + 4] = (a3 - o0) >> 18;
  }
}
