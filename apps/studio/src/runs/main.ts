/** @file The page of runs: takes the token out of the address, and shows what the server tells. */
import { show } from "./app.tsx";
import { takeToken } from "./token.ts";

show(document.querySelector("main") as HTMLElement, takeToken());
