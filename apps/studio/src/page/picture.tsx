/** @file Images from floats: as they are, or signed values around grey. */
import { useLayoutEffect, useRef } from "preact/hooks";

/** What is to be seen. */
export interface PictureProps {
  readonly label: string;
  /** [C, H, W]. */
  readonly values: Float32Array | null;
  readonly shape: readonly [number, number, number];
  /** Signed values: this one is drawn brightest, its negative darkest. Images in [0, 1] without it. */
  readonly most?: number | undefined;
}

/** A small image, enlarged without smoothing. */
export function Picture({ label, values, shape: [channels, height, width], most }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !values) return;
    const image = context.createImageData(width, height);
    const size = width * height;
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        const value = values[(channels === 3 ? c : 0) * size + i] as number;
        image.data[4 * i + c] = 255 * (most === undefined ? value : 0.5 + (0.5 * value) / (most || 1));
      }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }, [values, most, channels, height, width]);
  return <canvas ref={canvas} class="picture" width={width} height={height} role="img" aria-label={label} />;
}

/** A kernel of a filter: red is positive, blue negative, white zero. */
export function Kernel({
  label,
  values,
  size,
  most,
}: {
  readonly label: string;
  readonly values: Float32Array;
  readonly size: readonly [number, number];
  readonly most: number;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [height, width] = size;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(width, height);
    values.forEach((value, i) => {
      const share = Math.min(1, Math.abs(value) / (most || 1));
      const [full, less] = [255 - 60 * share, 255 * (1 - 0.85 * share)];
      image.data.set(value > 0 ? [full, less, less, 255] : [less, less, full, 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }, [values, most, height, width]);
  return <canvas ref={canvas} class="picture kernel" width={width} height={height} role="img" aria-label={label} />;
}
