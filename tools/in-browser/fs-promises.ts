/** @file Stands for `node:fs/promises` in tests that run in a browser: files are fetched. */
export async function readFile(url: URL): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
