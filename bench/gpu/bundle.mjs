/** @file Packs what a machine with a GPU and no network needs to check, time and train on the webgpu backend.
 *
 * node bench/gpu/bundle.mjs FOLDER [--data FOLDER] [--piece MEBIBYTES]
 *
 * The folder then holds Node, Dawn, a Vulkan loader where this machine has one, our code, PyTorch's side, `run.mjs`, and CIFAR-10 in pieces of
 * 16 MiB, taken from `--data` (the cache folder's cifar-10-batches-bin unless set) if it is there. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "vite";
import { splitFile } from "./pieces.mjs";

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string" }, piece: { type: "string", default: "16" } },
});
const [folder] = positionals;
if (!folder) {
  console.error("node bench/gpu/bundle.mjs FOLDER [--data FOLDER] [--piece MEBIBYTES]");
  process.exit(2);
}
const root = fileURLToPath(new URL("../..", import.meta.url));
const LOADERS = ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "/usr/lib/chromium/libvulkan.so.1"];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
/** Our code; the command looks for its package.json one folder up. */
const ENTRIES = [
  { entry: "bench/gpu/conformance.ts", into: "." },
  { entry: "bench/ours-steps.mjs", into: "." },
  { entry: "packages/gradalign/src/main.ts", into: "cli" },
];
for (const { entry, into } of ENTRIES) {
  await build({
    configFile: false,
    logLevel: "error",
    root,
    resolve: { conditions: ["source", "node"] },
    ssr: { noExternal: true, external: ["webgpu"], resolve: { conditions: ["source", "node"] } },
    build: {
      ssr: join(root, entry),
      outDir: resolve(folder, into),
      emptyOutDir: false,
      target: "node20",
      rollupOptions: { output: { entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" } },
    },
  });
}
cpSync(join(root, "packages/gradalign/package.json"), join(folder, "package.json"));
const dawn = join(root, "node_modules/webgpu");
const target = join(folder, "node_modules/webgpu");
for (const file of ["index.js", "package.json", "LICENSE.md"]) cpSync(join(dawn, file), join(target, file));
for (const platform of readdirSync(join(dawn, "dist")).filter((name) => name === `${process.platform}-${process.arch}`)) {
  cpSync(join(dawn, "dist", platform), join(target, "dist", platform), { recursive: true });
}
cpSync(process.execPath, join(folder, "node"));
const loader = LOADERS.find(existsSync);
if (loader) cpSync(loader, join(folder, "lib/libvulkan.so.1"), { dereference: true });
for (const file of ["bench/gpu/run.mjs", "bench/gpu/pieces.mjs", "bench/partner.mjs"]) cpSync(join(root, file), join(folder, file.split("/").at(-1)));
for (const file of ["bench/baselines/pytorch_steps.py", "tools/oracle/models.py"]) {
  mkdirSync(join(folder, dirname(file)), { recursive: true });
  cpSync(join(root, file), join(folder, file));
}
const cache = process.env.GRADALIGN_DATA ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "gradalign");
const data = options.data ?? join(cache, "cifar-10-batches-bin");
const files = existsSync(data) ? readdirSync(data).filter((name) => name.endsWith(".bin")) : [];
for (const name of files) splitFile(join(data, name), join(folder, "data"), Number(options.piece) * 2 ** 20);
console.log(`${folder}: run it there with ./node run.mjs --out results.json`);
if (files.length === 0) console.log(`${data} holds no CIFAR-10, so this bundle cannot train; run: npx gradalign data download cifar10`);
