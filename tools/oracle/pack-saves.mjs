/**
 * @file Packs the files that saves.py left into one fixture: a file of bytes by name, compressed with a window in which equal weights are found
 * again, so that forty checkpoints take little more room than ten.
 *
 *     npm run build && node tools/oracle/pack-saves.mjs FOLDER
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { encodeSafetensors } from "@gradalign/formats";

const folder = process.argv[2] ?? ".";
const files = readdirSync(folder).map((name) => {
  const data = new Uint8Array(readFileSync(join(folder, name)));
  return /** @type {const} */ ([name, { dtype: /** @type {const} */ ("uint8"), shape: [data.length], data }]);
});
const packed = brotliCompressSync(encodeSafetensors(new Map(files)), {
  params: { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS, [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
});
const fixture = new URL("../../packages/robustness/test/fixtures/checkpoints/saves.br", import.meta.url);
writeFileSync(fixture, packed);
process.stdout.write(`${files.length} files in ${packed.length} bytes\n`);
