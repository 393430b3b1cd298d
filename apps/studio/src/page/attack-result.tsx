/** @file What an attack has found so far: accuracies with their intervals, the curve, warnings, pictures, the record. */
import { encodeTar, wilsonInterval } from "@gradalign/robustness";
import { count, evaluationCommand, evaluationName, identityOfRecord, percent } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import { blobOf } from "../files.ts";
import type { DataDescription } from "../protocol.ts";
import { AttackGallery } from "./attack-gallery.tsx";
import type { AttackState } from "./attack-room.ts";
import { Figure } from "./figure.tsx";
import { saveFile } from "./save-file.ts";
import { useAttacks, useCharts } from "./use-studio.ts";

/** Nothing before the first attack. */
export function AttackResult({ data }: { readonly data: DataDescription }) {
  const { attack } = useAttacks();
  const { phase, model, notes, count: total, images, clean, robust, curve, warnings, fraction, result } = attack;
  const charts = useCharts(model !== null);
  const draw = useMemo(() => charts && curve.length > 0 && ((width: number) => charts.drawEstimate(curve, total, width)), [charts, curve, total]);
  if (model === null) return phase === "idle" ? null : <p class="caption">Opening the model.</p>;
  return (
    <article class="card" id="attack-result" data-phase={phase}>
      <p class="caption">
        <strong>{model.file}</strong>, {model.architecture ? String(model.architecture["name"]) : "a graph"}, {count(model.parameters)} parameters.{" "}
        {notes.map((note) => `${note}.`).join(" ")}
      </p>
      <progress max={1} value={fraction} aria-label="Progress of the attack" />
      <div class="values">
        <div>
          <div class="value" data-key="images">
            {count(images)}
          </div>
          <div class="name">of {count(total)} images</div>
        </div>
        <Share name="right as they are" k={clean} n={images} id="clean" />
        <Share name="robust accuracy" k={robust} n={images} id="robust" />
      </div>
      <Figure draw={draw || null} height={160} />
      <p class="verdict-line" role="status">
        {phase === "running"
          ? "Attacking."
          : phase === "stopping"
            ? "Stopping."
            : result
              ? "Finished."
              : `Ended after ${count(images)} images; there is no record of a part.`}
      </p>
      {warnings.map(({ id, seen }) => (
        <p key={id} class="verdict overfitted">
          <strong>{id}</strong>: {seen}
        </p>
      ))}
      {result && <Saving result={result} />}
      <AttackGallery data={data} />
    </article>
  );
}

function Share({ name, k, n, id }: { readonly name: string; readonly k: number; readonly n: number; readonly id: string }) {
  const [low, high] = n > 0 ? wilsonInterval(k, n) : [0, 1];
  return (
    <div>
      <div class="value" data-key={id}>
        {n > 0 ? percent(k / n) : "–"}
      </div>
      <div class="name">
        {name}
        {n > 0 && (
          <span data-interval={id}>
            , 95 %: {percent(low)} to {percent(high)}
          </span>
        )}
      </div>
    </div>
  );
}

/** The record and the images, as the command has them. */
function Saving({ result: { record, adversarials } }: { readonly result: NonNullable<AttackState["result"]> }) {
  const name = useMemo(() => evaluationName(identityOfRecord(record)), [record]);
  const text = (): string => `${JSON.stringify(record)}\n`;
  const folder = (): void => {
    const files = new Map<string, Uint8Array>([
      [`${name}/evaluation.json`, new TextEncoder().encode(text())],
      [`${name}/adversarials.safetensors`, adversarials],
    ]);
    saveFile(`${name}.tar`, blobOf(encodeTar(files)));
  };
  return (
    <>
      <div class="buttons">
        <button type="button" id="save-record" onClick={() => saveFile(`${name}.json`, new Blob([text()], { type: "application/json" }))}>
          Save the record
        </button>
        <button type="button" id="save-evaluation" onClick={folder}>
          Save the folder (.tar)
        </button>
      </div>
      <p class="caption">
        <code>gradalign report</code> shows the unpacked folder; the same outcome of every image comes of <code>{evaluationCommand(record)}</code>
      </p>
    </>
  );
}
