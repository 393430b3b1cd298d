/** @file Where the images come from: files that are dropped, or the address of a list of parts. */
import { useState } from "preact/hooks";
import { DropZone } from "./drop-zone.tsx";
import { refusalOf } from "./state.ts";
import { useStudio } from "./use-studio.ts";

/** Shown open where there are no images yet. */
export function DataSource() {
  const { studio, state } = useStudio();
  const { phase, data, address } = state;
  const [url, setUrl] = useState(address.data ?? "");
  const refusal = refusalOf(phase);
  return (
    <details class="card data-source" open={phase === "broken" && data === null}>
      <summary>{data ? `Images: ${data.name}. Others…` : "Images of your own"}</summary>
      <p class="caption">
        The official files of a known data set (CIFAR-10's <code>.bin</code> files or their <code>.tar.gz</code>, MNIST's <code>.gz</code> files), or a folder
        that <code>gradalign studio --site</code> wrote. Nothing leaves this browser.
      </p>
      <div class="picker">
        <DropZone name="data" label="Drop the files here, or choose them" refusal={refusal} onFiles={(files) => studio.load({ type: "files", files })} />
        <label>
          or the address of a list.json{" "}
          <input name="data-url" inputMode="url" autocomplete="off" value={url} onInput={({ currentTarget }) => setUrl(currentTarget.value)} />
        </label>
        <button type="button" id="fetch-data" disabled={refusal !== null || url.trim() === ""} onClick={() => studio.loadFrom(url.trim())}>
          Fetch
        </button>
      </div>
    </details>
  );
}
