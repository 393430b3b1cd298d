/** @file What the page of runs knows: what the server tells of runs as they go on, and what is chosen. Nothing here draws. */
import type { Evaluation } from "@gradalign/robustness";
import {
  type EvaluationsAnswer,
  type LogLine,
  type PlanSummary,
  type QueueEntry,
  type RunSummary,
  type RunsMessage,
  type RunsRequest,
  type StartAnswer,
  TOKEN_HEADER,
} from "@gradalign/runs";
import { Watched } from "../page/watched.ts";
import { type Choice, readChoice, writeChoice } from "./address.ts";
import type { LoadedRun } from "./aggregate.ts";

/** All that is shown. */
export interface State {
  readonly connection: "connecting" | "open" | "lost";
  readonly runs: ReadonlyMap<string, RunSummary>;
  readonly evaluations: ReadonlyMap<string, readonly Evaluation[]>;
  readonly plans: readonly PlanSummary[];
  readonly queue: readonly QueueEntry[];
  /** On which runs can be started; null where none can, or without a token. */
  readonly datasets: readonly string[] | null;
  readonly stoppable: readonly string[];
  readonly resumable: readonly string[];
  readonly remarks: readonly string[];
  /** Whether the folders are still looked through for the first time. */
  readonly isLooking: boolean;
  readonly choice: Choice;
  /** What was asked of the server and refused. */
  readonly problem: string | null;
}

/** Runs that the page chooses by itself: as many as can be told apart at a glance. */
const MOST_CHOSEN = 8;
/** Milliseconds until a server that refused is asked again, at first and at most: a static host never has runs. */
const PATIENCE = { first: 2000, most: 30_000 };

/** The page's state, and all ways to change it. */
export class StudioRuns extends Watched<State> {
  readonly #token: string | null;
  readonly #asked = new Set<string>();

  constructor(search: string, token: string | null) {
    const { choice, problems } = readChoice(search);
    super({
      ...{ connection: "connecting", runs: new Map(), evaluations: new Map(), plans: [], queue: [], datasets: null },
      ...{ stoppable: [], resumable: [], remarks: [], isLooking: true },
      choice,
      problem: problems.length > 0 ? problems.join(" ") : null,
    });
    this.#token = token;
    this.#listen();
  }

  /** The runs that are compared: those chosen, else the first that can be read, the running ones before others. */
  get selected(): readonly string[] {
    const { choice, runs } = this.state;
    if (choice.selected) return choice.selected.filter((key) => runs.has(key));
    const readable = [...runs.values()].filter(({ evaluations }) => evaluations > 0);
    const first = [...readable.filter(({ state }) => state === "running"), ...readable.filter(({ state }) => state !== "running")].slice(0, MOST_CHOSEN);
    return readable.filter((run) => first.includes(run)).map(({ key }) => key);
  }

  /** Those with what is known of their evaluations. */
  get compared(): LoadedRun[] {
    const { runs, evaluations } = this.state;
    return this.selected.flatMap((key) => {
      const summary = runs.get(key);
      return summary ? [{ summary, evaluations: evaluations.get(key) ?? [] }] : [];
    });
  }

  choose(change: Partial<Choice>): void {
    this.set({ choice: { ...this.state.choice, ...change } });
    const query = writeChoice(this.state.choice);
    history.replaceState(null, "", `${location.pathname}${query === "" ? "" : `?${query}`}`);
    this.#fetchSelected();
  }

  /** Compares a run, or does not. */
  toggle(keys: readonly string[], isIn: boolean): void {
    const rest = this.selected.filter((key) => !keys.includes(key));
    this.choose({ selected: isIn ? [...rest, ...keys] : rest });
  }

  /** Draws a line, or does not. */
  toggleLine(name: string): void {
    const { hidden } = this.state.choice;
    this.choose({ hidden: hidden.includes(name) ? hidden.filter((other) => other !== name) : [...hidden, name] });
  }

  /** Asks the server to do something; what it answers, or null where it has not. */
  async ask(request: RunsRequest): Promise<Partial<StartAnswer> | null> {
    try {
      const response = await fetch("runs/do", {
        method: "POST",
        headers: { "Content-Type": "application/json", ...(this.#token === null ? {} : { [TOKEN_HEADER]: this.#token }) },
        body: JSON.stringify(request),
      });
      this.set({ problem: response.ok ? null : (await response.text()).trim() });
      return response.ok ? ((await response.json()) as Partial<StartAnswer>) : null;
    } catch {
      this.set({ problem: "The server cannot be reached; start gradalign studio again." });
      return null;
    }
  }

  dismiss(): void {
    this.set({ problem: null });
  }

  /** A run's log; empty where none was kept. */
  async log(key: string): Promise<readonly LogLine[]> {
    const response = await fetch(`runs/log?${new URLSearchParams({ run: key })}`);
    return response.ok ? ((await response.json()) as LogLine[]) : [];
  }

  #listen(patience = PATIENCE.first): void {
    const source = new EventSource("runs/events");
    source.onopen = () => {
      patience = PATIENCE.first;
      this.set({ connection: "open" });
    };
    source.onerror = () => {
      this.set({ connection: "lost" });
      // The browser asks again by itself, unless it was answered and refused.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => this.#listen(Math.min(PATIENCE.most, 2 * patience)), patience);
    };
    source.onmessage = ({ data }: MessageEvent<string>) => this.#receive(JSON.parse(data) as RunsMessage);
  }

  #receive(message: RunsMessage): void {
    switch (message.type) {
      case "runs": {
        const runs = message.all ? new Map<string, RunSummary>() : new Map(this.state.runs);
        for (const key of message.removed) runs.delete(key);
        for (const run of message.changed) runs.set(run.key, run);
        const sorted = new Map([...runs].sort(([, a], [, b]) => (a.name < b.name ? -1 : 1)));
        const evaluations = new Map([...this.state.evaluations].filter(([key]) => runs.has(key)));
        this.set({ runs: sorted, evaluations });
        this.#fetchSelected();
        break;
      }
      case "plans":
        this.set({ plans: message.plans });
        break;
      case "queue":
        this.set({
          queue: message.queue,
          stoppable: message.stoppable,
          resumable: message.resumable,
          datasets: this.#token === null ? null : message.datasets,
        });
        break;
      case "remarks":
        this.set({ remarks: message.remarks, isLooking: message.isLooking });
    }
  }

  #fetchSelected(): void {
    for (const key of this.selected) void this.#fetchEvaluations(key);
  }

  /** Fetches the evaluations that are not here yet; of a run that went back all. */
  async #fetchEvaluations(key: string): Promise<void> {
    const isLevel = (): boolean => {
      const [summary, known] = [this.state.runs.get(key), this.state.evaluations.get(key) ?? []];
      return !summary || (known.length === summary.evaluations && known.at(-1)?.iteration === summary.last?.iteration);
    };
    if (this.#asked.has(key) || isLevel()) return;
    this.#asked.add(key);
    let isNews = false;
    try {
      const known = this.state.evaluations.get(key) ?? [];
      const query = new URLSearchParams({ run: key, from: String(known.length), after: String(known.at(-1)?.iteration ?? -1) });
      const response = await fetch(`runs/evaluations?${query}`);
      if (!response.ok) return;
      const { from, evaluations } = (await response.json()) as EvaluationsAnswer;
      this.set({ evaluations: new Map(this.state.evaluations).set(key, [...known.slice(0, from), ...evaluations]) });
      isNews = evaluations.length > 0;
    } catch {
      // The server is gone; when it is back it tells all runs anew.
    } finally {
      this.#asked.delete(key);
    }
    // More may have been told of meanwhile.
    if (isNews) void this.#fetchEvaluations(key);
  }
}
