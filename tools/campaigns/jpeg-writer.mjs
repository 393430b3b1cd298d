/** @file Writes baseline JPEG files for campaigns: colours not subsampled, the tables of the standard's Annex K (ITU-T T.81). */

/** Where coefficients stand in zigzag order. */
const ZIGZAG = [
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28],
  ...[35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63],
];
/** Table K.1, for all components. */
const QUANTIZERS = [
  ...[16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62],
  ...[18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
];
/** Tables K.3 and K.5: how many codes there are of each length, and the values they stand for. */
const DC = { counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: Array.from({ length: 12 }, (_, i) => i) };
const AC = {
  counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
  values: [
    ...Buffer.from("01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a4344454647", "hex"),
    ...Buffer.from("48494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9", "hex"),
    ...Buffer.from("bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa", "hex"),
  ],
};

/** Code and length by value. @param {{ counts: number[], values: number[] }} table */
function codesOf({ counts, values }) {
  /** @type {[code: number, length: number][]} */
  const codes = [];
  let [code, next] = [0, 0];
  for (const [i, count] of counts.entries()) {
    for (let k = 0; k < count; k++) codes[Number(values[next++])] = [code++, i + 1];
    code <<= 1;
  }
  return codes;
}

const [dcCodes, acCodes] = [codesOf(DC), codesOf(AC)];
const COSINES = Float64Array.from({ length: 64 }, (_, i) => {
  const [u, x] = [i >> 3, i & 7];
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16);
});

/** The quantised coefficients of a block in zigzag order. @param {Float64Array} block @param {number[]} quantizers */
function transformed(block, quantizers) {
  const rows = new Float64Array(64);
  for (let y = 0; y < 8; y++) {
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let x = 0; x < 8; x++) sum += Number(block[8 * y + x]) * Number(COSINES[8 * u + x]);
      rows[8 * y + u] = sum;
    }
  }
  return ZIGZAG.map((at) => {
    const [v, u] = [at >> 3, at & 7];
    let sum = 0;
    for (let y = 0; y < 8; y++) sum += Number(rows[8 * y + u]) * Number(COSINES[8 * v + y]);
    return Math.round(sum / Number(quantizers[at]));
  });
}

/**
 * A JPEG file of an image whose sides are multiples of 8.
 *
 * @param {Uint8Array} pixels red, green and blue of each, row by row.
 * @param {number} width
 * @param {number} height
 * @param {number} quality 1 to 100, as libjpeg counts it.
 */
export function jpegFile(pixels, width, height, quality = 75) {
  const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  const quantizers = QUANTIZERS.map((value) => Math.min(255, Math.max(1, Math.floor((value * scale + 50) / 100))));
  /** @type {number[]} */
  const out = [0xff, 0xd8];
  /** @param {number} marker @param {number[]} content */
  const segment = (marker, content) => void out.push(0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255, ...content);
  segment(0xdb, [0, ...ZIGZAG.map((at) => Number(quantizers[at]))]);
  segment(0xc0, [8, height >> 8, height & 255, width >> 8, width & 255, 3, ...[1, 2, 3].flatMap((id) => [id, 0x11, 0])]);
  segment(0xc4, [0x00, ...DC.counts, ...DC.values]);
  segment(0xc4, [0x10, ...AC.counts, ...AC.values]);
  segment(0xda, [3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
  let [held, bits] = [0, 0];
  /** @param {number} code @param {number} length */
  const put = (code, length) => {
    held = (held << length) | code;
    bits += length;
    while (bits >= 8) {
      const byte = (held >> (bits - 8)) & 255;
      out.push(byte);
      if (byte === 0xff) out.push(0);
      bits -= 8;
    }
    held &= (1 << bits) - 1;
  };
  /** @param {number} value @param {[number, number]} code @param {number} size */
  const putValue = (value, code, size) => {
    put(...code);
    if (size > 0) put(value < 0 ? value + (1 << size) - 1 : value, size);
  };
  const sizeOf = (/** @type {number} */ value) => 32 - Math.clz32(Math.abs(value));
  const before = [0, 0, 0];
  const block = new Float64Array(64);
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (let component = 0; component < 3; component++) {
        for (let i = 0; i < 64; i++) {
          const at = 3 * ((top + (i >> 3)) * width + left + (i & 7));
          const [r, g, b] = [Number(pixels[at]), Number(pixels[at + 1]), Number(pixels[at + 2])];
          block[i] = [0.299 * r + 0.587 * g + 0.114 * b - 128, -0.168736 * r - 0.331264 * g + 0.5 * b, 0.5 * r - 0.418688 * g - 0.081312 * b][component] ?? 0;
        }
        const coefficients = transformed(block, quantizers);
        const dc = Number(coefficients[0]);
        const difference = dc - Number(before[component]);
        before[component] = dc;
        putValue(difference, dcCodes[sizeOf(difference)] ?? [0, 0], sizeOf(difference));
        let zeros = 0;
        for (const value of coefficients.slice(1)) {
          if (value === 0) {
            zeros++;
            continue;
          }
          for (; zeros > 15; zeros -= 16) put(...(acCodes[0xf0] ?? [0, 0]));
          const size = sizeOf(value);
          putValue(value, acCodes[(zeros << 4) | size] ?? [0, 0], size);
          zeros = 0;
        }
        if (zeros > 0) put(...(acCodes[0] ?? [0, 0]));
      }
    }
  }
  if (bits > 0) put((1 << (8 - bits)) - 1, 8 - bits);
  out.push(0xff, 0xd9);
  return Uint8Array.from(out);
}
