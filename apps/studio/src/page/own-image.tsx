/** @file An image of the visitor's own: from a file, or drawn over the one that is looked at. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { NamedFile } from "../files.ts";
import type { DataDescription } from "../protocol.ts";
import { DropZone } from "./drop-zone.tsx";

/** What is read in, and what it begins with. */
export interface OwnImageProps {
  readonly shape: DataDescription["shape"];
  /** Pixels in [0, 1] to draw over; white if there are none. */
  readonly under: Float32Array | null;
  readonly onImage: (pixels: Float32Array) => void;
}

/** Dots on the canvas, in pixels of the image. */
const BRUSH = 2.5;

/** A field for a file, and a canvas to draw on. */
export function OwnImage({ shape, under, onImage }: OwnImageProps) {
  const [drawing, setDrawing] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const take = async ([first]: readonly NamedFile[]): Promise<void> => {
    if (!first) return;
    try {
      onImage(await pixelsOfFile(first.file, shape));
      setWrong(null);
    } catch {
      setWrong(`${first.path} is no image that this browser can read; choose a PNG, JPEG or WebP file.`);
    }
  };
  return (
    <DropZone name="own-image" label="Your image (or drop it here)" accept="image/*" single onFiles={(files) => void take(files)}>
      <button type="button" aria-pressed={drawing} onClick={() => setDrawing(!drawing)}>
        Draw on it
      </button>
      {wrong !== null && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
      {drawing && <Sketch shape={shape} under={under} onImage={onImage} />}
    </DropZone>
  );
}

function Sketch({ shape, under, onImage }: OwnImageProps) {
  const [, height, width] = shape;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [color, setColor] = useState("#d02020");
  const start = useRef(under);
  const context = () => canvas.current?.getContext("2d", { willReadFrequently: true }) ?? null;
  const done = (): void => {
    const drawn = context();
    if (drawn) onImage(pixelsOf(drawn.getImageData(0, 0, width, height), shape));
  };
  const clear = (): void => {
    const drawn = context();
    if (!drawn) return;
    drawn.fillStyle = "#ffffff";
    drawn.fillRect(0, 0, width, height);
  };
  useLayoutEffect(() => {
    const { current } = start;
    const drawn = canvas.current?.getContext("2d", { willReadFrequently: true });
    if (!drawn) return;
    const image = drawn.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = current ? 255 * (current[(shape[0] === 3 ? c : 0) * width * height + i] as number) : 255;
      image.data[4 * i + 3] = 255;
    }
    drawn.putImageData(image, 0, 0);
  }, [shape, width, height]);
  const dot = (event: PointerEvent): void => {
    const drawn = context();
    if (!drawn || event.buttons === 0) return;
    const { left, top, width: shown } = drawn.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top].map((at) => (at / shown) * width) as [number, number];
    drawn.fillStyle = color;
    drawn.beginPath();
    drawn.arc(x, y, BRUSH / 2, 0, 2 * Math.PI);
    drawn.fill();
  };
  return (
    <div class="sketch">
      <canvas
        ref={canvas}
        class="picture"
        width={width}
        height={height}
        role="img"
        aria-label="Drawing"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          dot(event);
        }}
        onPointerMove={dot}
        onPointerUp={done}
      />
      <label>
        Colour <input type="color" value={color} onInput={({ currentTarget }) => setColor(currentTarget.value)} />
      </label>
      <button
        type="button"
        onClick={() => {
          clear();
          done();
        }}
      >
        Clear
      </button>
    </div>
  );
}

/** An image file, its middle cut to the data's shape. */
async function pixelsOfFile(file: Blob, shape: DataDescription["shape"]): Promise<Float32Array> {
  const [, height, width] = shape;
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  bitmap.close();
  return pixelsOf(context.getImageData(0, 0, width, height), shape);
}

/** Pixels as [C, H, W] in [0, 1]; grey is the mean of the colours. */
function pixelsOf({ data }: ImageData, [channels, height, width]: DataDescription["shape"]): Float32Array {
  const size = width * height;
  return Float32Array.from({ length: channels * size }, (_, at) => {
    const [channel, i] = [Math.floor(at / size), at % size];
    const rgb = [0, 1, 2].map((c) => data[4 * i + c] as number) as [number, number, number];
    return (channels === 3 ? (rgb[channel] as number) : (rgb[0] + rgb[1] + rgb[2]) / 3) / 255;
  });
}
