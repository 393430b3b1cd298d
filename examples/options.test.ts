/** @file docs/options.md is what the options' declarations say: `npm run tables` writes it anew. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { optionsPage } from "../tools/tables/options.ts";
import { ROOT } from "./support/code-blocks.ts";

test("docs/options.md says what is declared", async () => {
  await expect(optionsPage(), "docs/options.md is not what the options declare; to write it anew: npm run tables").toMatchFileSnapshot(
    join(ROOT, "docs/options.md"),
  );
});
