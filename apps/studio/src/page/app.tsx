/** @file The page from top to bottom. */
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { SIDES } from "../protocol.ts";
import { AttackView } from "./attack-view.tsx";
import { Controls } from "./controls.tsx";
import { DataSource } from "./data-source.tsx";
import { Explanation } from "./explanation.tsx";
import { KeptView } from "./kept-view.tsx";
import { LookInside } from "./look-inside.tsx";
import { SideView } from "./side-view.tsx";
import { Status } from "./status.tsx";
import { Studio } from "./studio.ts";
import { Timeline } from "./timeline.tsx";
import { StudioContext, useStudio } from "./use-studio.ts";

/** Puts the page into an element. */
export function show(main: HTMLElement): void {
  const studio = new Studio(location.search);
  // What the browser keeps goes on from its last checkpoint; else a training lives in this page only.
  addEventListener("beforeunload", (event) => {
    const { runs, keptProblem } = studio.state;
    if (!runs || keptProblem === null || SIDES.every((side) => runs[side].end !== null)) return;
    event.preventDefault();
    // What browsers before 2024 look at.
    event.returnValue = true;
  });
  main.replaceChildren();
  render(
    <StudioContext.Provider value={studio}>
      <App main={main} />
    </StudioContext.Provider>,
    main,
  );
}

function App({ main }: { readonly main: HTMLElement }) {
  const { state } = useStudio();
  useEffect(() => {
    main.dataset["state"] = state.phase;
  }, [main, state.phase]);
  return (
    <>
      <header>
        <h1>Watch fast adversarial training fail, and not fail</h1>
        <p class="subtitle">
          Two networks learn to tell images apart in this browser, attacked while they train. One falls for its own attack: catastrophic overfitting.{" "}
          <a href="runs.html">Runs of this machine</a>
        </p>
      </header>
      <Explanation />
      <Controls />
      <DataSource />
      <Status />
      <KeptView />
      <section class="sides" aria-label="Trainings">
        {SIDES.map((side) => (
          <SideView key={side} side={side} />
        ))}
      </section>
      <Timeline />
      <LookInside />
      <AttackView />
      <footer>
        Accuracies and alignment are of the first test images, measured while training. The setting is that of section 4 of Andriushchenko and Flammarion,
        “Understanding and Improving Fast Adversarial Training” (2020).
      </footer>
    </>
  );
}
