/** @file Finding the data set a run asks for, and telling the user while it is fetched. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { closestName, datasetFingerprint, datasetNamed, datasets, isDatasetName } from "@gradalign/robustness";
import { type DataEvent, type LoadedDataset, loadDataset as loadKnown, readDataFolder, readDataPath } from "@gradalign/robustness/node";
import { bytes, duration } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { LiveRegion } from "../terminal/live-region.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import type { OutputStream } from "../terminal/streams.ts";

/**
 * A known data set, downloaded first if need be, or a folder of one's own.
 *
 * @param name a known data set's name or a folder's path.
 * @param output where progress goes: a bar on a terminal, else a line now and then.
 * @param offline never download.
 * @throws ConfigError when there is neither a data set nor a folder of that name; DataError when the data cannot be had or are damaged.
 */
export async function loadDataset(name: string, output: OutputStream, signal?: AbortSignal, offline = false): Promise<LoadedDataset> {
  if (!isDatasetName(name)) {
    if (existsSync(readDataPath("--dataset", name).path)) return readDataFolder(name);
    const close = closestName(basename(name), Object.keys(datasets));
    throw new ConfigError(
      `--dataset (="${name}") must be ${Object.keys(datasets).join(", ")} or the path of a folder, and nothing is there; ` +
        (close === undefined ? "correct the path" : `did you mean ${close}?`),
    );
  }
  const display = downloadDisplay(datasetNamed(name).title, output);
  try {
    const dataset = await loadKnown(name, { onProgress: display.event, offline, ...(signal ? { signal } : {}) });
    return { dataset, fingerprint: datasetFingerprint(datasetNamed(name)), classesFrom: "definition" };
  } finally {
    display.finish();
  }
}

interface DownloadDisplay {
  readonly event: (event: DataEvent) => void;
  finish(): void;
}

function downloadDisplay(title: string, output: OutputStream): DownloadDisplay {
  const region = output.isTTY ? new LiveRegion(output) : undefined;
  const say = (text: string) => (region ? region.log(text) : output.write(`${text}\n`));
  let announced = "";
  let tenth = 0;
  return {
    event(event) {
      switch (event.type) {
        case "progress": {
          const { source, file, receivedBytes, totalBytes, etaSeconds } = event;
          const what = `${file} (${bytes(totalBytes)}) from ${source}`;
          if (announced !== what) {
            say(`downloading ${title}: ${what}`);
            tenth = 0;
          }
          announced = what;
          const fraction = receivedBytes / totalBytes;
          const eta = etaSeconds === undefined ? "" : `  ETA ${duration(etaSeconds)}`;
          const text = `${String(Math.floor(100 * fraction)).padStart(3)} %  ${bytes(receivedBytes)}${eta}`;
          if (region) region.show([`${progressBar(fraction, 30)} ${text}`]);
          else if (Math.floor(10 * fraction) > tenth) {
            tenth = Math.floor(10 * fraction);
            say(text);
          }
          break;
        }
        case "retry":
          say(`${event.source}: ${event.reason}; trying again`);
          break;
        case "fallback":
          say(`${event.source} cannot be used (${event.reason}); trying another source`);
          break;
        case "unpack":
          say(`unpacking and checking ${title}`);
          break;
        case "wait":
          say(event.reason);
          break;
      }
    },
    finish: () => region?.clear(),
  };
}
