/**
 * @file Decodes WebPs with libwebp, compiled to WebAssembly in the package @jsquash/webp: Pillow uses libwebp too, so the bytes are the same.
 *
 * The decoder is loaded when the first WebP comes, from the file beside its script: over the network in a browser, from the disk in Node.
 */
import { blankImage, checkSize, damaged, type RgbImage, unread } from "./rgb-image.ts";

/** What the package's module offers, of which it declares no types. */
interface WebpModule {
  decode(file: Uint8Array): { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray } | null;
}

let loaded: Promise<WebpModule> | undefined;

/**
 * The image of a WebP file; alpha is dropped.
 *
 * @throws DataError when it is damaged, cut off, too large or animated.
 */
export async function decodeWebp(file: Uint8Array): Promise<RgbImage> {
  const { width, height } = sizeOf(file);
  checkSize("WebP", width, height);
  loaded ??= load();
  const module = await loaded;
  let decoded: ReturnType<WebpModule["decode"]>;
  try {
    decoded = module.decode(file);
  } catch (error) {
    // A module that has failed is not used again.
    loaded = undefined;
    throw damaged("WebP", `it cannot be decoded (${(error as Error).message})`, { cause: error });
  }
  if (!decoded) throw damaged("WebP", "its data is cut off or wrong");
  if (decoded.width !== width || decoded.height !== height) throw damaged("WebP", "its image has another size than its header says");
  const image = blankImage(width, height);
  const size = width * height;
  for (let i = 0, from = 0; i < size; i++, from += 4) {
    for (let plane = 0; plane < 3; plane++) image.data[i + plane * size] = decoded.data[from + plane] as number;
  }
  return image;
}

/** Width and height as the first chunk says (RFC 9649, sections 2.5 to 2.7). */
function sizeOf(file: Uint8Array): { width: number; height: number } {
  if (file.length < 30) throw damaged("WebP", "the file ends within its header");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const kind = String.fromCharCode(...file.subarray(12, 16));
  if (kind === "VP8 ") return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (kind !== "VP8X") throw damaged("WebP", "it does not begin with an image");
  if (((file[20] as number) & 2) !== 0) throw unread("WebP", "it is animated");
  return { width: (view.getUint32(24, true) & 0xffffff) + 1, height: (view.getUint32(26, true) >>> 8) + 1 };
}

/** Node's modules, where there are any. */
interface NodeModules {
  getBuiltinModule?(id: "node:module"): { createRequire(from: string): { resolve(id: string): string } };
  getBuiltinModule?(id: "node:fs"): { readFileSync(path: string): Uint8Array };
}

async function load(): Promise<WebpModule> {
  const { default: create } = (await import("@jsquash/webp/codec/dec/webp_dec.js")) as unknown as { default(options: object): Promise<WebpModule> };
  const node = (globalThis as { process?: NodeModules }).process;
  const path = node
    ?.getBuiltinModule?.("node:module")
    .createRequire(import.meta.url)
    .resolve("@jsquash/webp/codec/dec/webp_dec.wasm");
  return create(path === undefined ? {} : { wasmBinary: node?.getBuiltinModule?.("node:fs").readFileSync(path) });
}
