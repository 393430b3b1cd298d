/** @file A figure of the page as a picture by itself: with its colours in it, on the page's ground. */

/** Pixels of a PNG for one of the page. */
const SHARPNESS = 2;

/** The figure as SVG markup whose colours need no page. */
export function paintedSvg(svg: SVGSVGElement): string {
  const style = getComputedStyle(svg);
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("font-family", "system-ui, sans-serif");
  copy.setAttribute("font-size", style.fontSize);
  copy.setAttribute("color", style.color);
  // A tooltip is for who points.
  for (const tip of copy.querySelectorAll("[aria-label=tip]")) tip.remove();
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", "var(--surface)");
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy).replace(/var\((--[\w-]+)\)/g, (_, name: string) => style.getPropertyValue(name).trim() || "currentColor");
}

/** The figure as PNG, twice as fine as the page. */
export async function pngOf(svg: SVGSVGElement): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([paintedSvg(svg)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = SHARPNESS * Number(svg.getAttribute("width"));
    canvas.height = SHARPNESS * Number(svg.getAttribute("height"));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG could be made")))));
  } finally {
    URL.revokeObjectURL(url);
  }
}
