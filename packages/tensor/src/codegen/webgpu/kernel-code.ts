/** @file What the generators of single kernels share: their result, the grid, and functions that WGSL lacks. */

/** A kernel as a compute shader with entry point `main`; the bindings are storage buffers of group 0. */
export interface KernelCode {
  readonly wgsl: string;
  readonly workgroups: readonly [number, number, number];
}

/** The limit every WebGPU implementation guarantees. */
const WORKGROUPS_PER_DIMENSION = 65535;

/** Invocations of a workgroup, the most that every WebGPU implementation guarantees. */
export const WORKGROUP = 256;

export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** A grid of `count` workgroups; beyond the limit of one dimension it is folded into a second. */
export function linearGrid(count: number): { workgroups: readonly [number, number, number]; index: string } {
  if (count <= WORKGROUPS_PER_DIMENSION) return { workgroups: [count, 1, 1], index: "i32(group.x)" };
  const rows = ceilDiv(count, WORKGROUPS_PER_DIMENSION);
  const columns = ceilDiv(count, rows);
  return { workgroups: [columns, rows, 1], index: `i32(group.y * ${columns}u + group.x)` };
}

/** A compute shader around a body, which may use `group` (workgroup_id) and `lane` (local_invocation_index, u32). With `subgroup`, the number
 * of invocations in every subgroup, `lane` counts through subgroup after subgroup. With `matrices` it may use subgroup matrices and `subgroup`
 * (subgroup_id). */
export function shader(parts: {
  readonly declarations: string;
  readonly threads: number;
  readonly body: string;
  readonly globals?: string;
  readonly half?: boolean;
  readonly subgroup?: number;
  readonly matrices?: boolean;
}): string {
  const { declarations, threads, body, globals = "", half = false, subgroup = 0, matrices = false } = parts;
  const functions = Object.entries(FUNCTIONS).flatMap(([name, text]) => (body.includes(`${name}(`) || globals.includes(`${name}(`) ? [text] : []));
  const directives = [
    half ? "enable f16;\n" : "",
    subgroup > 0 ? "enable subgroups;\nrequires subgroup_id;\n" : "",
    matrices ? "enable subgroups;\nenable chromium_experimental_subgroup_matrix;\n" : "",
  ].join("");
  const counted = "@builtin(local_invocation_index) lane: u32";
  // WGSL does not say which invocations make up a subgroup.
  const ordered = "@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) member: u32";
  const lane = subgroup > 0 ? ordered : matrices ? `${counted}, @builtin(subgroup_id) subgroup: u32` : counted;
  return `${directives}${declarations}
${[...functions, globals].filter(Boolean).join("\n")}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, ${lane}) {
${subgroup > 0 ? `let lane = subgroup * ${subgroup}u + member;\n` : ""}${body}
}
`;
}

/** WGSL's max, min and comparisons of NaN may give anything, so NaN is told by its bits. `let` keeps constants from being folded: WGSL
 * has no literals for infinities and NaN. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  packed: "fn packed(v: vec4<u32>) -> u32 { return v.x | (v.y << 8u) | (v.z << 16u) | (v.w << 24u); }",
  // Beyond the range of float16 WGSL leaves the result open; loss scaling must find infinities and NaN there. 65520 is rounded to infinity.
  to_halves: `fn to_halves(v: vec4<f32>) -> vec2<u32> {
  let bits = bitcast<vec4<u32>>(v);
  let size = bits & vec4<u32>(0x7fffffffu);
  let beyond = size >= vec4<u32>(0x477ff000u);
  let inside = select(v, vec4<f32>(), beyond);
  let special = select(vec4<u32>(0x7c00u), vec4<u32>(0x7e00u), size > vec4<u32>(0x7f800000u)) | ((bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u));
  let extra = select(vec4<u32>(), special, beyond);
  return vec2<u32>(pack2x16float(inside.xy) | extra.x | (extra.y << 16u), pack2x16float(inside.zw) | extra.z | (extra.w << 16u));
}`,
  from_halves: "fn from_halves(w: vec2<u32>) -> vec4<f32> { return vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)); }",
  from_half: "fn from_half(w: u32, index: i32) -> f32 { return unpack2x16float(w >> ((u32(index) & 1u) * 16u)).x; }",
  is_nan: "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }",
  is_nan4: "fn is_nan4(x: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); }",
  max_float: `fn max_float(a: f32, b: f32) -> f32 {
  let nan = ((bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u) || ((bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u);
  return select(max(a, b), a + b, nan);
}`,
  max_float4: `fn max_float4(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let nan = (max(bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu), bitcast<vec4<u32>>(b) & vec4<u32>(0x7fffffffu))) > vec4<u32>(0x7f800000u);
  return select(max(a, b), a + b, nan);
}`,
  min_float: `fn min_float(a: f32, b: f32) -> f32 {
  let nan = ((bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u) || ((bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u);
  return select(min(a, b), a + b, nan);
}`,
  min_float4: `fn min_float4(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let nan = (max(bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu), bitcast<vec4<u32>>(b) & vec4<u32>(0x7fffffffu))) > vec4<u32>(0x7f800000u);
  return select(min(a, b), a + b, nan);
}`,
  to_int: `fn to_int(x: f32) -> i32 {
  return select(select(i32(x), 2147483647, x >= 2147483648.0), 0, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}`,
  to_int4: `fn to_int4(x: vec4<f32>) -> vec4<i32> {
  let nan = (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
  return select(select(vec4<i32>(x), vec4<i32>(2147483647), x >= vec4<f32>(2147483648.0)), vec4<i32>(0), nan);
}`,
  from_bits: "fn from_bits(bits: u32) -> f32 { let word = bits; return bitcast<f32>(word); }",
};
