/**
 * @file What a report's page does in the browser: values where a figure is pointed at, one line picked out of many, tables that are sorted, and downloads.
 *
 * The function is put into the page as text, so it uses nothing from outside itself.
 */

/** Runs in the page. Without it the page shows the same, but for values on hover and downloads of figures. */
export function pageScript(): void {
  interface Axis {
    readonly type: string;
    readonly domain: [number, number];
    readonly range: [number, number];
    readonly percent?: boolean;
    readonly label?: string;
  }
  interface Curve {
    readonly name: string;
    readonly color: string;
    readonly points: readonly (readonly [number, number])[];
  }
  const SVG = "http://www.w3.org/2000/svg";
  const tooltip = document.createElement("div");
  tooltip.id = "tooltip";
  tooltip.hidden = true;
  tooltip.setAttribute("role", "status");
  document.body.append(tooltip);

  const invert = ({ type, domain, range }: Axis, at: number): number => {
    const share = (at - range[0]) / (range[1] - range[0]);
    if (type === "log") return domain[0] * (domain[1] / domain[0]) ** share;
    return domain[0] + share * (domain[1] - domain[0]);
  };
  const curvesOf = (svg: Element): Curve[] =>
    [...svg.querySelectorAll("path[aria-label]")].map((path) => ({
      name: path.getAttribute("aria-label") ?? "",
      color: path.getAttribute("stroke") ?? "",
      points: [...(path.getAttribute("d") ?? "").matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const),
    }));
  /** Lets one line stand out among all of a card. */
  const pick = (card: Element | null, name: string | null): void => {
    for (const one of card?.querySelectorAll("[data-line], path[aria-label]") ?? []) {
      const own = one.getAttribute("data-line") ?? one.getAttribute("aria-label");
      one.classList.toggle("dim", name !== null && own !== name);
    }
  };

  for (const svg of document.querySelectorAll<SVGSVGElement>("svg[data-axes]")) {
    const [x, y] = JSON.parse(svg.dataset["axes"] ?? "[]") as [Axis, Axis];
    const curves = curvesOf(svg);
    if (curves.length === 0) continue;
    const card = svg.closest(".card");
    const words = new Map([...(card?.querySelectorAll("[data-line]") ?? [])].map((item) => [item.getAttribute("data-line"), item.textContent]));
    const cross = document.createElementNS(SVG, "line");
    cross.setAttribute("class", "cross");
    svg.append(cross);
    const leave = (): void => {
      tooltip.hidden = true;
      cross.removeAttribute("stroke");
      pick(card, null);
    };
    const point = (event: PointerEvent): void => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const [at, height] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      // The measured place nearest to the pointer, and each line's latest value there.
      const nearest = curves.flatMap(({ points }) => points.map(([px]) => px)).reduce((best, px) => (Math.abs(px - at) < Math.abs(best - at) ? px : best));
      const values = curves.flatMap(({ name, color, points }) => {
        const last = points.findLast(([px]) => px <= nearest + 0.01);
        const ended = (points.at(-1)?.[0] ?? 0) < nearest - 0.01;
        return last && !ended ? [{ name, color, at: last[1], value: invert(y, last[1]) }] : [];
      });
      if (values.length === 0) return leave();
      const closest = values.reduce((best, one) => (Math.abs(one.at - height) < Math.abs(best.at - height) ? one : best));
      if (curves.length > 4) pick(card, closest.name);
      for (const [name, value] of Object.entries({ x1: nearest, x2: nearest, y1: y.range[0], y2: y.range[1], stroke: "var(--muted)" }))
        cross.setAttribute(name, String(value));
      const heading = document.createElement("strong");
      heading.textContent = `${x.label} ${invert(x, nearest).toFixed(2)}`;
      tooltip.replaceChildren(
        heading,
        ...values
          .sort((a, b) => a.at - b.at)
          .map(({ name, color, value }) => {
            const row = document.createElement("div");
            const key = document.createElement("i");
            key.style.background = color;
            const text = document.createElement("span");
            text.textContent = words.get(name) ?? name;
            const number = document.createElement("b");
            number.textContent = y.percent ? `${value.toFixed(1)} %` : value.toPrecision(4);
            if (name === closest.name) row.className = "closest";
            row.append(key, text, number);
            return row;
          }),
      );
      tooltip.hidden = false;
      const { offsetWidth: width, offsetHeight: tall } = tooltip;
      const left = event.clientX + 16 + width > innerWidth ? event.clientX - 16 - width : event.clientX + 16;
      tooltip.style.left = `${Math.max(4, Math.min(innerWidth - width - 4, left)) + scrollX}px`;
      tooltip.style.top = `${Math.max(4, Math.min(innerHeight - tall - 4, event.clientY - tall / 2)) + scrollY}px`;
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", leave);
  }
  for (const item of document.querySelectorAll("[data-line]")) {
    item.addEventListener("pointerenter", () => pick(item.closest(".card"), item.getAttribute("data-line")));
    item.addEventListener("pointerleave", () => pick(item.closest(".card"), null));
  }

  /** What a cell is sorted by: the number that it begins with, or its text; nothing where nothing was measured. */
  const keyOf = (row: HTMLTableRowElement, column: number): number | string | null => {
    const text = row.cells[column]?.textContent?.trim() ?? "";
    const number = /^-?\d+(?:\.\d+)?/.exec(text);
    return number ? Number(number[0]) : text === "–" || text === "" ? null : text;
  };
  for (const table of document.querySelectorAll<HTMLTableElement>("table[data-sortable]")) {
    const [body] = table.tBodies;
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    for (const [column, head] of heads.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("number") ? "descending" : "ascending";
        const second = first === "descending" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === first ? second : first;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const compare = (a: HTMLTableRowElement, b: HTMLTableRowElement): number => {
          const [x, y] = [keyOf(a, column), keyOf(b, column)];
          if (x === null || y === null) return Number(x === null) - Number(y === null);
          const difference = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
          return order === "ascending" ? difference : -difference;
        };
        body?.append(...[...body.rows].sort(compare));
      });
    }
  }

  const save = (blob: Blob, name: string): void => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  /** The figure as a file of its own: the page's colours written out, on its background, with its name. */
  const standalone = (svg: SVGSVGElement): string => {
    const copy = svg.cloneNode(true) as SVGSVGElement;
    for (const extra of copy.querySelectorAll(".cross")) extra.remove();
    const { width, height } = svg.viewBox.baseVal;
    for (const [name, value] of Object.entries({ xmlns: SVG, width, height, "font-family": "sans-serif" })) copy.setAttribute(name, String(value));
    const ground = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: "var(--surface)" })) ground.setAttribute(name, value);
    copy.insertBefore(ground, copy.firstChild);
    copy.style.color = "var(--text)";
    const style = getComputedStyle(document.documentElement);
    return new XMLSerializer()
      .serializeToString(copy)
      .replace(/var\((--[\w-]+)\)/g, (_, name: string) => style.getPropertyValue(name).trim() || "currentColor");
  };
  const fileName = (svg: Element): string =>
    (svg.closest<HTMLElement>("[data-name]")?.dataset["name"] ?? svg.getAttribute("aria-label") ?? "figure").replace(/[^\w-]+/g, "-");
  const saveSvg = (svg: SVGSVGElement): void => save(new Blob([standalone(svg)], { type: "image/svg+xml" }), `${fileName(svg)}.svg`);
  const savePng = (svg: SVGSVGElement): void => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
      canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => blob && save(blob, `${fileName(svg)}.png`));
    };
    image.src = `data:image/svg+xml,${encodeURIComponent(standalone(svg))}`;
  };
  for (const svg of document.querySelectorAll<SVGSVGElement>(".card:not(.filters .card) svg[role=img]")) {
    const buttons = document.createElement("div");
    buttons.className = "downloads";
    for (const [name, action] of [
      ["SVG", saveSvg],
      ["PNG", savePng],
    ] as const) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-label", `Download ${svg.getAttribute("aria-label")} as ${name}`);
      button.addEventListener("click", () => action(svg));
      buttons.append(button);
    }
    svg.after(buttons);
  }
}
