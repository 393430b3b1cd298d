/** @file The store that an address names. */
import { fileURLToPath } from "node:url";
import { directoryStore } from "./node-directory-store.ts";
import { s3Store } from "./node-s3-store.ts";
import type { ObjectStore } from "./object-store.ts";

/**
 * Opens `s3://bucket/prefix`, or a folder.
 *
 * @throws as `s3Store`; ConfigError for an address of another kind.
 */
export async function openStore(address: string): Promise<ObjectStore> {
  if (address.startsWith("file://")) return directoryStore(fileURLToPath(address));
  return /^[a-z][a-z0-9+.-]+:/i.test(address) ? s3Store(address) : directoryStore(address);
}
