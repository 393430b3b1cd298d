/** @file The images that an attack broke: each as it is, what was added, and what it is taken for. */
import { count, distanceText } from "@gradalign/runs";
import { useMemo } from "preact/hooks";
import type { JudgedImage } from "../attack-protocol.ts";
import type { DataDescription } from "../protocol.ts";
import { Picture } from "./picture.tsx";
import { useAttacks } from "./use-studio.ts";

/** The newest first. */
export function AttackGallery({ data }: { readonly data: DataDescription }) {
  const { attack } = useAttacks();
  const { broken, brokenInAll, norm } = attack;
  if (broken.length === 0) return null;
  return (
    <>
      <h3>
        Found: {count(brokenInAll)}
        {brokenInAll > broken.length && `, the latest ${broken.length}`}
      </h3>
      <div class="found" id="found">
        {broken.map((image) => (
          <Found key={image.index} image={image} data={data} norm={norm} />
        ))}
      </div>
    </>
  );
}

function Found({ image: found, data: { shape, classNames }, norm }: { readonly image: JudgedImage; readonly data: DataDescription; readonly norm: string }) {
  const { index, label, predicted, brokenBy, norm: length, pixels } = found;
  const delta = useMemo(() => pixels?.adversarial.map((value, i) => value - (pixels.image[i] as number)) ?? null, [pixels]);
  const most = useMemo(() => delta?.reduce((so, value) => Math.max(so, Math.abs(value)), 1e-12), [delta]);
  const [right, wrong] = [classNames[label] ?? String(label), classNames[predicted] ?? String(predicted)];
  return (
    <figure data-found={index}>
      <div class="pictures">
        <Picture label={`Image ${index}: ${right}`} values={pixels?.image ?? null} shape={shape} />
        <Picture label="What was added, amplified" values={delta} shape={shape} most={most} />
        <Picture label={`Image ${index} attacked: ${wrong}`} values={pixels?.adversarial ?? null} shape={shape} />
      </div>
      <figcaption>
        image {index}: <b class="good">{right}</b> → <b class="bad">{wrong}</b>
        <br />
        {brokenBy}, {distanceText(norm, length)}
      </figcaption>
    </figure>
  );
}
