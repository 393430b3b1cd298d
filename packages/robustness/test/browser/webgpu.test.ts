/** @file The library on the webgpu backend in headless Chromium, on SwiftShader: the tests that it passes in Node. */
import { fileURLToPath } from "node:url";
import { describeInBrowser } from "../../../../tools/test-in-browser.ts";
import { FILES } from "./gpu-tests.ts";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describeInBrowser(path("gpu-tests.ts"), Object.keys(FILES), path("../"));
