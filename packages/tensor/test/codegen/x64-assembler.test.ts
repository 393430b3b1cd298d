/** @file AVX-512's instructions, byte by byte as the GNU assembler 2.40 writes them: a machine without them cannot prove kernels of theirs. */
import { expect, test } from "vitest";
import { Assembler } from "../../src/codegen/x64/assembler.ts";
import { at, type Memory, R12, R13, R14, RAX, RCX, RDI, RSI, RSP } from "../../src/codegen/x64/encoding.ts";

const copied = (base: number, offset = 0): Memory => ({ base, offset, copied: true });

// biome-ignore format: an instruction in a line
const INSTRUCTIONS: readonly (readonly [text: string, bytes: string, emit: (code: Assembler) => void])[] = [
  ["vfmadd231ps (%rsi){1to16}, %zmm0, %zmm31", "62 62 7d 58 b8 3e", (code) => code.vector("fma", 16, 31, 0, copied(RSI))],
  ["vfmadd231ps 4(%rsi){1to16}, %zmm1, %zmm17", "62 e2 75 58 b8 4e 01", (code) => code.vector("fma", 16, 17, 1, copied(RSI, 4))],
  ["vfmadd231ps 508(%rsi){1to16}, %zmm1, %zmm8", "62 72 75 58 b8 46 7f", (code) => code.vector("fma", 16, 8, 1, copied(RSI, 508))],
  ["vfmadd231ps 512(%rsi){1to16}, %zmm1, %zmm8", "62 72 75 58 b8 86 00 02 00 00", (code) => code.vector("fma", 16, 8, 1, copied(RSI, 512))],
  ["vfmadd231ps 6(%r13){1to8}, %ymm2, %ymm30", "62 42 6d 38 b8 b5 06 00 00 00", (code) => code.vector("fma", 8, 30, 2, copied(R13, 6))],
  ["vfmadd231ps %zmm3, %zmm12, %zmm25", "62 62 1d 48 b8 cb", (code) => code.vector("fma", 16, 25, 12, 3)],
  ["vmovups 64(%rdi), %zmm0", "62 f1 7c 48 10 47 01", (code) => code.vectorLoad(16, 0, at(RDI, 64))],
  ["vmovups 65(%rdi), %zmm16", "62 e1 7c 48 10 87 41 00 00 00", (code) => code.vectorLoad(16, 16, at(RDI, 65))],
  ["vmovups %zmm20, -8192(%rdi)", "62 e1 7c 48 11 67 80", (code) => code.vectorStore(16, at(RDI, -8192), 20)],
  ["vmovups %zmm20, 128(%rsp)", "62 e1 7c 48 11 64 24 02", (code) => code.vectorStore(16, at(RSP, 128), 20)],
  ["vmovups %ymm20, 32(%r12)", "62 c1 7c 28 11 64 24 01", (code) => code.vectorStore(8, at(R12, 32), 20)],
  ["vmovups %xmm31, (%rdi,%rcx,4)", "62 61 7c 08 11 3c 8f", (code) => code.vectorStore(4, { base: RDI, offset: 0, index: RCX, scale: 4 }, 31)],
  ["vxorps %zmm28, %zmm28, %zmm28", "62 01 1c 40 57 e4", (code) => code.vector("xor", 16, 28, 28, 28)],
  ["vaddps 192(%rsp), %zmm7, %zmm0", "62 f1 44 48 58 44 24 03", (code) => code.vector("add", 16, 0, 7, at(RSP, 192))],
  ["vsubps %zmm3, %zmm2, %zmm1", "62 f1 6c 48 5c cb", (code) => code.vector("sub", 16, 1, 2, 3)],
  ["vmulps %zmm18, %zmm2, %zmm1", "62 b1 6c 48 59 ca", (code) => code.vector("mul", 16, 1, 2, 18)],
  ["vbroadcastss 12(%rsi), %zmm4", "62 f2 7d 48 18 66 03", (code) => code.broadcast(16, 4, at(RSI, 12))],
  ["vbroadcastf32x4 16(%rsi), %zmm4", "62 f2 7d 48 1a 66 01", (code) => code.broadcastFour(16, 4, at(RSI, 16))],
  ["vinsertf32x4 $3, 16(%rdi), %zmm0, %zmm0", "62 f3 7d 48 18 47 01 03", (code) => code.insertFour(16, 0, at(RDI, 16), 3)],
  ["vinsertf32x4 $1, 1000(%rdi), %zmm0, %zmm0", "62 f3 7d 48 18 87 e8 03 00 00 01", (code) => code.insertFour(16, 0, at(RDI, 1000), 1)],
  ["vextractf32x4 $2, %zmm31, %xmm0", "62 63 7d 48 19 f8 02", (code) => code.extractFour(16, 0, 31, 2)],
  ["vextractps $2, %xmm30, 8(%rdi)", "62 63 7d 08 17 77 02 02", (code) => code.storeLane(at(RDI, 8), 30, 2)],
  ["vinsertps $0x10, 4(%rdi), %xmm17, %xmm17", "62 e3 75 00 21 4f 01 10", (code) => code.loadLane(17, at(RDI, 4), 1)],
  ["vmovss 4(%rdi), %xmm17", "62 e1 7e 08 10 4f 01", (code) => code.loadFirst(17, at(RDI, 4))],
  ["vmovups 64(%rdi), %zmm20{%k1}{z}", "62 e1 7c c9 10 67 01", (code) => code.vectorLoad(16, 20, { ...at(RDI, 64), masked: true })],
  ["vmovups %zmm20, 64(%rdi){%k1}", "62 e1 7c 49 11 67 01", (code) => code.vectorStore(16, { ...at(RDI, 64), masked: true }, 20)],
  ["vaddps 64(%rdi), %zmm20, %zmm20{%k1}{z}", "62 e1 5c c1 58 67 01", (code) => code.vector("add", 16, 20, 20, { ...at(RDI, 64), masked: true })],
  ["movl $0xfff, %eax; kmovw %eax, %k1", "b8 ff 0f 00 00 c5 f8 92 c8", (code) => code.mask(12)],
  ["vpmuludq %zmm3, %zmm2, %zmm1", "62 f1 ed 48 f4 cb", (code) => code.vector("mulLong", 16, 1, 2, 3)],
  ["vpsrlq $32, %zmm2, %zmm1", "62 f1 f5 48 73 d2 20", (code) => code.shiftLong("right", 16, 1, 2, 32)],
  ["vpunpcklqdq %zmm3, %zmm2, %zmm1", "62 f1 ed 48 6c cb", (code) => code.vector("unpackLow", 16, 1, 2, 3)],
  ["vpaddd %zmm3, %zmm2, %zmm1", "62 f1 6d 48 fe cb", (code) => code.vector("addInt", 16, 1, 2, 3)],
  ["vmovd %eax, %xmm14; vpbroadcastd %xmm14, %zmm14", "c5 79 6e f0 62 52 7d 48 58 f6", (code) => code.broadcastInteger(16, 14, RAX)],
  ["vpbroadcastd %xmm9, %ymm2", "c4 c2 7d 58 d1", (code) => code.broadcastFirst(8, 2, 9)],
  ["vmovd %xmm9, %r14d", "c4 41 79 7e ce", (code) => code.storeFirst(R14, 9)],
  ["vmovmskps %ymm12, %r14d", "c4 41 7c 50 f4", (code) => code.signs(8, R14, 12)],
  ["vpermd %ymm3, %ymm13, %ymm2", "c4 e2 15 36 d3", (code) => code.permute(2, 13, 3)],
  ["vandnps %ymm3, %ymm13, %ymm2", "c5 94 55 d3", (code) => code.vector("andNot", 8, 2, 13, 3)],
  ["vpshufd $1, %xmm31, %xmm2", "62 91 7d 08 70 d7 01", (code) => code.shuffle(2, 31, 1)],
];

test.each(INSTRUCTIONS)("%s", (_, bytes, emit) => {
  const code = new Assembler(16);
  emit(code);
  const written = [...code.finish()].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  expect(written).toBe(bytes);
});
