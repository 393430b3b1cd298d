/** @file The page and a data set as files for any web server: what {@link startStudioServer} serves, lying in a folder. */
import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ResidentDataset } from "@gradalign/robustness";
import { makeFolder, onFile } from "@gradalign/robustness/node";
import { ConfigError, UnsupportedError } from "@gradalign/tensor";
import { cutIntoParts } from "./node-data-parts.ts";
import type { StudioServerOptions } from "./node-server.ts";

/** For hosts that take headers from a file of this name (Netlify, Cloudflare Pages): what makes a page's threads share memory. */
const HEADERS = "/*\n  Cross-Origin-Opener-Policy: same-origin\n  Cross-Origin-Embedder-Policy: require-corp\n";

/**
 * Writes the site.
 *
 * @throws ConfigError when the folder holds something; UnsupportedError when the page was not built; FileError when it cannot be written.
 */
export function writeSite(
  folder: string,
  { dataset, fingerprint, page }: { readonly dataset: ResidentDataset } & Pick<StudioServerOptions, "fingerprint" | "page">,
): void {
  if (!existsSync(join(page, "index.html"))) throw new UnsupportedError(`studio: the page is not in ${page}; build it with: npm run build:studio`);
  if (existsSync(folder) && onFile("read", folder, () => readdirSync(folder)).length > 0) {
    throw new ConfigError(`--site (="${folder}") must be an empty folder, or none yet; name another`);
  }
  onFile("write", folder, () => {
    makeFolder(join(folder, "data"));
    cpSync(page, folder, { recursive: true });
    writeFileSync(join(folder, "_headers"), HEADERS);
    const { list, bytes } = cutIntoParts(dataset, fingerprint);
    for (const [name, pieces] of bytes) writeFileSync(join(folder, "data", name), Buffer.concat(pieces));
    writeFileSync(join(folder, "data", "list.json"), JSON.stringify(list));
  });
}
