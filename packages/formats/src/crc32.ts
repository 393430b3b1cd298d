/** @file CRC-32 as in zip, gzip and PNG (polynomial 0xedb88320), four bytes at a time: browsers hash only on secure pages. */

const TABLES = Array.from({ length: 4 }, () => new Uint32Array(256)) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
const [T0, T1, T2, T3] = TABLES;
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  T0[byte] = value;
}
for (let byte = 0; byte < 256; byte++) {
  for (let k = 1; k < 4; k++) TABLES[k]![byte] = (TABLES[k - 1]![byte]! >>> 8) ^ T0[TABLES[k - 1]![byte]! & 255]!;
}

/** The checksum of bytes, as an unsigned number. */
export function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  let at = 0;
  for (const whole = bytes.length - 3; at < whole; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = T3[crc & 255]! ^ T2[(crc >>> 8) & 255]! ^ T1[(crc >>> 16) & 255]! ^ T0[crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}
