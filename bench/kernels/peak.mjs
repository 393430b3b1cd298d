/** @file What one thread can do at most in this engine: fused multiply-adds in registers, and copying memory. The yardstick for all other numbers.
 * Usage: node bench/kernels/peak.mjs */

const modules = new URL("../../packages/tensor/dist", import.meta.url).href;
const { relaxedSimdAvailable, wideVectorsAvailable } = await import(`${modules}/runtime/wasm/features.js`);
const { encodeModule } = await import(`${modules}/codegen/wasm/module.js`);
const { FunctionBuilder } = await import(`${modules}/codegen/wasm/function-builder.js`);
const { I32, OP, SIMD, V128 } = await import(`${modules}/codegen/wasm/opcodes.js`);

const PAGES = 4096;
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
new Float32Array(memory.buffer).fill(1e-3);

function build(f) {
  const bytes = encodeModule([f], { run: 0 }, { initialPages: PAGES, maximumPages: PAGES, shared: false });
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.run;
}

/** Multiply-adds on so many accumulators that none waits for another; neighbours are stored next to each other, so that engines can join them. */
function multiplyAdds(relaxed, wide) {
  const count = wide ? 24 : 12;
  const f = new FunctionBuilder([I32]);
  const sums = Array.from({ length: count }, () => f.local(V128));
  const [x, y] = [f.local(V128), f.local(V128)];
  for (const sum of sums) f.v128(0).set(sum);
  f.loop(() => {
    // Both factors are vectors from memory, the first a repeated element, as in a contraction.
    f.i32(0).v128Load(0).set(x).i32(0).v128Load(16).set(y);
    for (const [i, sum] of sums.entries()) {
      const factor = i % 2 === 0 ? x : y;
      if (relaxed) f.get(factor).get(factor).get(sum).simd(SIMD.f32x4_relaxed_madd).set(sum);
      else f.get(sum).get(factor).get(factor).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add).set(sum);
    }
    f.get(0).i32(1).op(OP.i32_sub).tee(0).branchIf(0);
  });
  for (const [i, sum] of sums.entries())
    f.i32(0)
      .get(sum)
      .v128Store(1024 + 16 * i);
  const turns = 2e6;
  const run = build(f);
  return { run: () => run(turns), work: turns * count * 8 };
}

/** Copies half of some mebibytes to the other half. */
function copies(mebibytes) {
  const half = mebibytes * 2 ** 19;
  const f = new FunctionBuilder([I32]);
  f.loop(() => {
    f.get(0).i32(64).op(OP.i32_sub).set(0);
    for (let i = 0; i < 4; i++)
      f.get(0)
        .get(0)
        .v128Load(4096 + 16 * i)
        .v128Store(4096 + half + 16 * i);
    f.get(0).branchIf(0);
  });
  const run = build(f);
  const repeats = Math.max(1, Math.round(64 / mebibytes));
  return {
    run: () => {
      for (let i = 0; i < repeats; i++) run(half);
    },
    work: repeats * 2 * half,
  };
}

/** Best of several, in units of work per nanosecond. */
function best({ run, work }) {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 15; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return work / least / 1e6;
}

const relaxed = relaxedSimdAvailable();
const wide = wideVectorsAvailable();
console.log(`Node ${process.versions.node}, V8 ${process.versions.v8}: ${relaxed ? "" : "no "}fused multiply-add, ${wide ? "256" : "128"}-bit operations`);
console.log(`multiply-adds in registers: ${best(multiplyAdds(relaxed, wide)).toFixed(0)} GFLOP/s`);
for (const mebibytes of [0.25, 4, 128]) console.log(`copying ${mebibytes} MiB: ${best(copies(mebibytes)).toFixed(0)} GB/s, read and written together`);
