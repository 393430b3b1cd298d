/** @file The version of gradalign, which all its packages have. */
import { readFileSync } from "node:fs";

/** Version of gradalign, from the package.json of this one of its packages. */
export const VERSION: string = (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
