/** @file Packs what a machine with a GPU and no network needs to check and time the webgpu backend.
 *
 * node bench/gpu/bundle.mjs FOLDER
 *
 * The folder then holds Node, Dawn, a Vulkan loader where this machine has one, our code in two files, PyTorch's side, and `run.mjs`. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("node bench/gpu/bundle.mjs FOLDER");
  process.exit(2);
}
const root = fileURLToPath(new URL("../..", import.meta.url));
const LOADERS = ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "/usr/lib/chromium/libvulkan.so.1"];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const entry of ["bench/gpu/conformance.ts", "bench/ours-steps.mjs"]) {
  await build({
    configFile: false,
    logLevel: "error",
    root,
    resolve: { conditions: ["source", "node"] },
    ssr: { noExternal: true, external: ["webgpu"], resolve: { conditions: ["source", "node"] } },
    build: {
      ssr: join(root, entry),
      outDir: resolve(folder),
      emptyOutDir: false,
      target: "node20",
      rollupOptions: { output: { entryFileNames: "[name].mjs" } },
    },
  });
}
const dawn = join(root, "node_modules/webgpu");
const target = join(folder, "node_modules/webgpu");
for (const file of ["index.js", "package.json", "LICENSE.md"]) cpSync(join(dawn, file), join(target, file));
for (const platform of readdirSync(join(dawn, "dist")).filter((name) => name === `${process.platform}-${process.arch}`)) {
  cpSync(join(dawn, "dist", platform), join(target, "dist", platform), { recursive: true });
}
cpSync(process.execPath, join(folder, "node"));
const loader = LOADERS.find(existsSync);
if (loader) cpSync(loader, join(folder, "lib/libvulkan.so.1"), { dereference: true });
for (const file of ["bench/gpu/run.mjs", "bench/partner.mjs"]) cpSync(join(root, file), join(folder, file.split("/").at(-1)));
for (const file of ["bench/baselines/pytorch_steps.py", "tools/oracle/models.py"]) {
  mkdirSync(join(folder, dirname(file)), { recursive: true });
  cpSync(join(root, file), join(folder, file));
}
console.log(`${folder}: run it there with ./node run.mjs --out results.json`);
