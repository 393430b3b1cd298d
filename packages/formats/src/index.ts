/** @file Readers and writers of the files that trained weights come in. */
export { canonicalJson, clipped, findDuplicateKey, type JsonObject, type JsonValue, parseJson, shown } from "./json.ts";
export { decodeSafetensors, encodeSafetensors, type Safetensors, type StoredArray, type StoredDType, type StoredTensor } from "./safetensors.ts";
