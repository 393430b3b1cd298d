/** @file One image, seen by both networks: how it is attacked, what they answer, the loss around it, their filters. */
import { percent } from "@gradalign/runs";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type DataDescription, type Filters, type Look, SIDES, type Side } from "../protocol.ts";
import { Figure } from "./figure.tsx";
import { OwnImage } from "./own-image.tsx";
import { Kernel, Picture } from "./picture.tsx";
import { useCharts, useStudio } from "./use-studio.ts";

/** The image that is looked at, and a column for each side. */
export function LookInside() {
  const { studio, state } = useStudio();
  const { data, address, own, looks } = state;
  const { image, direction } = address;
  const images = data?.testLabels.length ?? 1;
  const shown = looks.left ?? looks.right;
  const most = Math.max(1e-6, ...SIDES.flatMap((side) => (looks[side] ? slice(looks[side]) : [])));
  const label = own ? "an image of yours" : data ? data.classNames[data.testLabels[Math.min(image, images - 1)] as number] : "";
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => studio.see(entries.at(-1)?.isIntersecting ?? false));
    if (section.current) observer.observe(section.current);
    return () => observer.disconnect();
  }, [studio]);
  return (
    <section ref={section} class="look" aria-label="One image">
      <h2>One image, seen by both networks</h2>
      <div class="card picker">
        <label>
          Test image{data && ` (0 to ${images - 1})`}{" "}
          <input
            name="image"
            type="number"
            min={0}
            max={images - 1}
            value={image}
            onChange={({ currentTarget }) => {
              const chosen = currentTarget.value === "" ? image : Math.min(images - 1, Math.max(0, Math.round(Number(currentTarget.value))));
              currentTarget.value = String(chosen);
              if (chosen !== image || own) studio.lookAt(chosen);
            }}
          />
        </label>
        <button type="button" onClick={() => studio.lookAt((image + images - 1) % images)}>
          Previous
        </button>
        <button type="button" id="next-image" onClick={() => studio.lookAt((image + 1) % images)}>
          Next
        </button>
        <span class="label">{label}</span>
        {data && <OwnImage shape={data.shape} under={shown?.image ?? null} onImage={(pixels) => studio.lookAt(pixels)} />}
        <label>
          Across FGSM's direction{" "}
          <select name="across" value={direction} onChange={({ currentTarget }) => studio.chooseDirection(currentTarget.value === "pgd" ? "pgd" : "random")}>
            <option value="random">random signs</option>
            <option value="pgd">PGD's perturbation</option>
          </select>
        </label>
      </div>
      <div class="sides">
        {SIDES.map((side) => (
          <article key={side} class={`card${state.runs && !looks[side] ? " waiting" : ""}`} data-look={side}>
            {data && looks[side] ? <Inside side={side} look={looks[side]} data={data} most={most} /> : <p class="caption">Start a training to look inside.</p>}
          </article>
        ))}
      </div>
    </section>
  );
}

/** Losses along FGSM's direction, of both sides on one scale. */
function slice({ surface: { size, from, to, losses } }: Look): number[] {
  const row = Math.round((-from / (to - from)) * (size - 1));
  return [...losses.subarray(row * size, (row + 1) * size)];
}

function Inside({ side, look, data, most }: { readonly side: Side; readonly look: Look; readonly data: DataDescription; readonly most: number }) {
  const { studio, state } = useStudio();
  const { image, deltas, answers, gradients, cosine, surface, filters, epoch, target, label } = look;
  const { shape, classNames } = data;
  const charts = useCharts(true);
  const drawSurface = useMemo(() => charts && ((width: number) => charts.drawSurface(surface, width)), [charts, surface]);
  const drawSlice = useMemo(() => charts && ((width: number) => charts.drawSlice(surface, most, width)), [charts, surface, most]);
  const size = largest(deltas.fgsm, deltas.pgd);
  const moved = useMemo(() => image.map((value, i) => value + (deltas.fgsm[i] as number)), [image, deltas]);
  const movedFar = useMemo(() => image.map((value, i) => value + (deltas.pgd[i] as number)), [image, deltas]);
  const name = state.runs?.[side].label ?? side;
  const rows = [
    { title: "The image", picture: <Picture label="The image" values={image} shape={shape} />, delta: null, answer: answers.clean },
    {
      title: "FGSM",
      picture: <Picture label="The image attacked with FGSM" values={moved} shape={shape} />,
      delta: <Picture label="FGSM's perturbation, amplified" values={deltas.fgsm} shape={shape} most={size} />,
      answer: answers.fgsm,
    },
    {
      title: "PGD-10",
      picture: <Picture label="The image attacked with PGD" values={movedFar} shape={shape} />,
      delta: <Picture label="PGD's perturbation, amplified" values={deltas.pgd} shape={shape} most={size} />,
      answer: answers.pgd,
    },
  ];
  return (
    <>
      <h3>
        {name}, epoch <span class="epoch">{epoch.toFixed(1)}</span>
      </h3>
      <div class="attacks">
        {rows.map(({ title, picture, delta, answer }) => (
          <div key={title} class="attack">
            <h4>{title}</h4>
            {picture}
            {delta}
            <Answers answer={answer} classNames={classNames} label={label} />
          </div>
        ))}
      </div>
      <p class="caption">
        Below each attacked image its perturbation, amplified {Math.round(0.5 / size)} times.{" "}
        {label === null && `The attacks lead away from the network's own answer, ${classNames[target]}.`}
      </p>
      <h4>Loss around the image</h4>
      <Figure draw={drawSurface} height={300} />
      <h4>Along FGSM's perturbation</h4>
      <Figure draw={drawSlice} height={150} />
      <p class="caption">
        The grey line is what the gradient at the image promises. Where the curve falls before the dashed line at 1, FGSM steps over the bump.
      </p>
      <h4>Input gradients at the image and beside it</h4>
      <div class="gradients">
        <Picture label="Input gradient at x" values={gradients.here} shape={shape} most={largest(gradients.here)} />
        <Picture label="Input gradient at x + η" values={gradients.near} shape={shape} most={largest(gradients.near)} />
        <div>
          <div class="value cosine">{cosine === null ? "–" : cosine.toFixed(2)}</div>
          <div class="name">cosine at x and x + η</div>
        </div>
      </div>
      {filters && <FilterView filters={filters} chosen={state.address.zeroed[side]} onToggle={(filter) => studio.toggleFilter(side, filter)} />}
    </>
  );
}

interface AnswersProps extends Pick<Look, "label"> {
  readonly answer: Float32Array;
  readonly classNames: readonly string[];
}

function Answers({ answer, classNames, label }: AnswersProps) {
  const best = Array.from(answer, (share, i) => ({ share, i }))
    .sort((a, b) => b.share - a.share)
    .slice(0, 3);
  return (
    <ol class="answers">
      {best.map(({ share, i }) => (
        <li key={i} class={i === label ? "right" : undefined}>
          <span class="bar" style={{ width: `${100 * share}%` }} />
          <span class="text" title={classNames[i]}>
            <span class="class">
              {classNames[i]} {i === label ? "✓" : ""}
            </span>{" "}
            <span>{percent(share)}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

/** Most filters that are shown. */
const MOST_FILTERS = 16;

interface FilterViewProps {
  readonly filters: Filters;
  /** Those that are to be zero, also before they were looked without. */
  readonly chosen: readonly number[];
  readonly onToggle: (filter: number) => void;
}

function FilterView({ filters, chosen, onToggle }: FilterViewProps) {
  const { shape, weights, norms, outgoing, grown, zeroed, without } = filters;
  const [count, channels, height, width] = shape;
  const area = height * width;
  const most = largest(weights);
  const order = Array.from({ length: count }, (_, i) => i);
  const strength = (i: number): number => (norms[i] as number) * (outgoing[i] as number);
  // Those that are set to zero must stay there to be switched on again.
  if (count > MOST_FILTERS) order.sort((a, b) => Number(chosen.includes(b)) - Number(chosen.includes(a)) || strength(b) - strength(a)).length = MOST_FILTERS;
  return (
    <>
      <h4>Filters of the first layer</h4>
      <div class="filter-tiles">
        {order.map((filter) => (
          <div key={filter} class={`filter${filter === grown ? " grown" : ""}`}>
            <div class="kernels">
              {Array.from({ length: channels }, (_, c) => (
                <Kernel
                  key={c}
                  label={`Filter ${filter + 1}, channel ${c + 1}`}
                  values={weights.subarray((filter * channels + c) * area, (filter * channels + c + 1) * area)}
                  size={[height, width]}
                  most={most}
                />
              ))}
            </div>
            <div class="name">
              w{filter + 1} {filter === grown && <strong>the strongest</strong>}
            </div>
            <div class="name">
              ‖w‖ {(norms[filter] as number).toFixed(2)}, ‖u‖ {(outgoing[filter] as number).toFixed(2)}
            </div>
            <label class="switch">
              <input type="checkbox" data-filter={filter} checked={chosen.includes(filter)} onChange={() => onToggle(filter)} /> set to zero
            </label>
          </div>
        ))}
      </div>
      <p class="caption without" aria-live="polite">
        {without
          ? `Without ${zeroed.map((filter) => `w${filter + 1}`).join(", ")}: gradient alignment ${without.alignment?.toFixed(2) ?? "undefined"}, clean accuracy ${percent(without.clean)}, under FGSM ${percent(without.fgsm)} (first ${without.images} test images).`
          : "u are the weights behind a filter. Set the strongest to zero and see what becomes of alignment."}
      </p>
    </>
  );
}

function largest(...all: readonly Float32Array[]): number {
  return all.reduce((most, values) => values.reduce((so, value) => Math.max(so, Math.abs(value)), most), 1e-12);
}
