/** @file The page: starts the studio and shows it. */
import { show } from "./page/app.tsx";

show(document.querySelector("main") as HTMLElement);
