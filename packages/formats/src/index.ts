/** @file Readers and writers of the files that trained weights come in. */
export { crc32 } from "./crc32.ts";
export { FormatError, type FormatProblem } from "./errors.ts";
export { type FileFormat, identifyFile, openWeights, type WeightsFile } from "./identify.ts";
export { canonicalJson, clipped, findDuplicateKey, type JsonObject, type JsonValue, parseJson, shown } from "./json.ts";
export type { OnnxAttribute, OnnxModel, OnnxNode, OnnxValue } from "./onnx/model.ts";
export { type OnnxOptions, readOnnx, readOnnxTensor } from "./onnx/read.ts";
export { encodeOnnx, type OnnxContent } from "./onnx/write.ts";
export { PickleCall, PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleValue } from "./pickle.ts";
export { type PytorchFile, PytorchTensor, readPytorch } from "./pytorch.ts";
export { decodeSafetensors, encodeSafetensors, readSafetensors, type Safetensors, type SafetensorsFile } from "./safetensors.ts";
export { type Sha256Sum, sha256, sha256Of } from "./sha256.ts";
export { type ByteSource, bytesSource } from "./source.ts";
export { findStateDict, kindOf, type StateDict, withoutPrefixes } from "./state-dict.ts";
export { elementBytes, elementCount, type FileTensor, type StoredArray, type StoredDType, type StoredTensor, toFloat32 } from "./tensor.ts";
export { type Inflate, readZip, type ZipEntry } from "./zip.ts";
