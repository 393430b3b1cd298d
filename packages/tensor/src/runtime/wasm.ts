import { UnsupportedError } from "../base/errors.ts";
import type { Device } from "./backend.ts";
export async function createWasmDevice(_: { threads?: number }): Promise<Device> { throw new UnsupportedError("wasm: not built yet"); }
