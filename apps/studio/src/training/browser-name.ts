/** @file What a record says that it was computed in. */

/** The browser and its version, e.g. `Chrome 141`. */
export function browserName(): string {
  const { userAgent } = navigator;
  const [, name, version] = /(Firefox|Edg|OPR|HeadlessChrome|Chrome)\/(\d+)/.exec(userAgent) ?? /(Version)\/(\d+).*Safari/.exec(userAgent) ?? [];
  const names: Readonly<Record<string, string>> = { Edg: "Edge", OPR: "Opera", HeadlessChrome: "Chrome", Version: "Safari" };
  return name && version ? `${names[name] ?? name} ${version}` : "a browser";
}
