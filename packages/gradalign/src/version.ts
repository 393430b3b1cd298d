/** @file This package's version, from its package.json. */
import { readFileSync } from "node:fs";

/** Version of the gradalign command. */
export const VERSION: string = (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
