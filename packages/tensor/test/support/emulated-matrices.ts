/** @file Tensor cores for adapters that have none: shaders with subgroup matrices are rewritten so that every invocation is a subgroup of its own
 * and multiplies matrices element by element, in float32. */
import { testGpu } from "./gpu.ts";

/** A shader for subgroups of one invocation, in WGSL that every adapter takes. `wrong` leaves out a matrix's last product. */
export function emulated(wgsl: string, wrong = false): string {
  const [, columns, rows] = /subgroup_matrix_result<f32, (\d+), (\d+)>/.exec(wgsl)!;
  const [, depth] = /subgroup_matrix_left<f16, (\d+),/.exec(wgsl)!;
  const [m, n, k] = [Number(rows), Number(columns), Number(depth)];
  const byColumns = wgsl.includes("col_major");
  const functions = `
fn load_a(offset: u32, stride: u32) -> array<f32, ${m * k}> {
  var result: array<f32, ${m * k}>;
  for (var r = 0u; r < ${m}u; r++) { for (var c = 0u; c < ${k}u; c++) { result[r * ${k}u + c] = tile_a[offset + ${byColumns ? "c * stride + r" : "r * stride + c"}]; } }
  return result;
}
fn load_b(offset: u32, stride: u32) -> array<f32, ${k * n}> {
  var result: array<f32, ${k * n}>;
  for (var r = 0u; r < ${k}u; r++) { for (var c = 0u; c < ${n}u; c++) { result[r * ${n}u + c] = tile_b[offset + r * stride + c]; } }
  return result;
}
fn multiply_add(a: array<f32, ${m * k}>, b: array<f32, ${k * n}>, c: array<f32, ${m * n}>) -> array<f32, ${m * n}> {
  var result = c;
  for (var i = 0u; i < ${m}u; i++) { for (var j = 0u; j < ${n}u; j++) { for (var d = 0u; d < ${wrong ? k - 1 : k}u; d++) {
    result[i * ${n}u + j] += a[i * ${k}u + d] * b[d * ${n}u + j];
  } } }
  return result;
}
fn store_c(offset: u32, value: array<f32, ${m * n}>, stride: u32) {
  for (var r = 0u; r < ${m}u; r++) { for (var c = 0u; c < ${n}u; c++) { tile_c[offset + r * stride + c] = value[r * ${n}u + c]; } }
}
@compute`;
  return wgsl
    .replace(/^enable .*$/gm, "")
    .replace(", @builtin(subgroup_id) subgroup: u32", "")
    .replace(/(fn main\(.*\{)/, "$1\nlet subgroup = lane;")
    .replace(/subgroup_matrix_result<f32, \d+, \d+>/g, `array<f32, ${m * n}>`)
    .replace(/subgroupMatrixLoad<subgroup_matrix_left<[^>]*>, \w+>\(&tile_a, /g, "load_a(")
    .replace(/subgroupMatrixLoad<subgroup_matrix_right<[^>]*>, \w+>\(&tile_b, /g, "load_b(")
    .replace(/subgroupMatrixMultiplyAccumulate/g, "multiply_add")
    .replace(/subgroupMatrixStore<row_major>\(&tile_c, /g, "store_c(")
    .replace(/bitcast<vec4<f16>>\(/g, "from_halves(")
    .replace(/\bf16\b/g, "f32")
    .replace("@compute", wgsl.includes("from_halves(") || !wgsl.includes("bitcast<vec4<f16>>") ? functions : `${FROM_HALVES}${functions}`);
}

const FROM_HALVES = "fn from_halves(w: vec2<u32>) -> vec4<f32> { return vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)); }\n";

const PRETENDED = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"];

/** Options of `createDevice` for a GPU that pretends to multiply 4 × 4 matrices. */
export async function emulatedTensorCores({ wrong = false } = {}): Promise<{ gpu: GPU; allowSoftware: boolean; precision: "float16"; shaders: string[] }> {
  const gpu = (await testGpu()).gpu ?? navigator.gpu;
  /** Those with subgroup matrices. */
  const shaders: string[] = [];
  const requestAdapter = async (): Promise<GPUAdapter> => {
    const adapter = (await gpu.requestAdapter())!;
    // Of all tiles the smallest alone: here one invocation does what a subgroup would, and larger ones take long to compile.
    const limits = new Proxy(adapter.limits, { get: (real, name) => (name === "maxComputeInvocationsPerWorkgroup" ? 1 : Reflect.get(real, name, real)) });
    const offer = { componentType: "f16", resultComponentType: "f32", M: 4, N: 4, K: 4 };
    const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info;
    return {
      info: { vendor, architecture, device: model, description, isFallbackAdapter, subgroupMinSize: 0, subgroupMaxSize: 1, subgroupMatrixConfigs: [offer] },
      limits,
      features: new Set([...adapter.features, ...PRETENDED]),
      async requestDevice({ requiredFeatures = [], ...rest }: GPUDeviceDescriptor = {}) {
        const device = await adapter.requestDevice({ ...rest, requiredFeatures: [...requiredFeatures].filter((feature) => adapter.features.has(feature)) });
        const create = device.createShaderModule.bind(device);
        device.createShaderModule = ({ code, ...more }) => {
          if (!code.includes("subgroup_matrix")) return create({ code, ...more });
          shaders.push(code);
          return create({ ...more, code: emulated(code, wrong) });
        };
        return device;
      },
    } as unknown as GPUAdapter;
  };
  return { gpu: { requestAdapter } as unknown as GPU, allowSoftware: true, precision: "float16", shaders };
}
