/** @file The page of runs from top to bottom. */
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { Compare } from "./compare.tsx";
import { Matrix } from "./matrix.tsx";
import { RunDetails } from "./run-details.tsx";
import { RunList } from "./run-list.tsx";
import { StartForm } from "./start-form.tsx";
import { StudioRuns } from "./studio-runs.ts";
import { RunsContext, useRuns } from "./use-runs.ts";

/** Puts the page into an element. */
export function show(main: HTMLElement, token: string | null): void {
  main.replaceChildren();
  render(
    <RunsContext.Provider value={new StudioRuns(location.search, token)}>
      <App main={main} />
    </RunsContext.Provider>,
    main,
  );
}

function App({ main }: { readonly main: HTMLElement }) {
  const { studio, state } = useRuns();
  const { connection, problem, remarks } = state;
  useEffect(() => {
    main.dataset["connection"] = connection;
  }, [main, connection]);
  return (
    <>
      <header>
        <h1>Runs</h1>
        <p class="subtitle">
          Live while they train, whichever process trains them. <a href="./">Watch a training from inside</a>
        </p>
      </header>
      <p class="connection" role="status">
        {connection === "lost" &&
          (state.isLooking
            ? "No server of runs answers. Pages that gradalign studio serves show its runs; this one goes on when it does."
            : "The server does not answer; the page goes on when it is back. What is shown is what was known last.")}
      </p>
      {remarks.map((remark) => (
        <p key={remark} class="note">
          {remark}
        </p>
      ))}
      {problem !== null && (
        <p class="verdict overfitted" id="problem" role="alert">
          {problem}{" "}
          <button type="button" onClick={() => studio.dismiss()}>
            Close
          </button>
        </p>
      )}
      <StartForm />
      <RunList />
      <Compare />
      <RunDetails />
      <Matrix />
    </>
  );
}
