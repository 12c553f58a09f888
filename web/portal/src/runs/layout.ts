/** Something that is drawn as a box in the lane of whoever does it. */
export interface Box {
  id: string;
  /** The number of its lane, from 0. */
  lane: number;
  /** Names of what leaves it, each a row below the box. */
  ports: readonly string[];
}

/** A line from a row below one box to the top of another. */
export interface Line {
  from: string;
  port: string;
  to: string;
  /** It only says what stands below what, and is not drawn. */
  isHidden?: boolean;
}

/** Sizes in CSS pixels at the usual size of type. */
export interface Sizes {
  width: number;
  height: number;
  port: number;
  /** Between two boxes beside one another, without the lines that run there. */
  gutter: number;
  /** Between two rows, without the lines that run there. */
  gap: number;
  /** Between two lines. */
  track: number;
  /** Above the first row, where the names of lanes stand. */
  head: number;
}

export const usual: Sizes = { width: 168, height: 70, port: 24, gutter: 14, gap: 22, track: 6, head: 48 };

/** From how many lanes on no two boxes of a lane stand beside one another. */
const MANY_LANES = 3;

export interface Placed {
  id: string;
  x: number;
  y: number;
  /** Which row, from 0. */
  row: number;
}

export interface Drawing {
  width: number;
  height: number;
  lanes: { x: number; width: number }[];
  boxes: Placed[];
  /** In the order of the lines that were given. `isBack` leads upwards: what it leads to had to come first. */
  lines: { path: string; isBack: boolean }[];
}

/**
 * Draws boxes in rows, each below everything that leads to it, and in the lane of whoever does it.
 *
 * A line leaves its row at the right, goes along the gutter beside the box and across the gap above the box it leads to,
 * so that no line runs behind a box, and all lines of one port share their way as far as they can.
 */
export function draw(boxes: readonly Box[], lines: readonly Line[], lanes: number, sizes: Sizes = usual): Drawing {
  const known = new Set(boxes.map((box) => box.id));
  const valid = lines.map((line) => known.has(line.from) && known.has(line.to) && line.from !== line.to);
  // Where there are many lanes a drawing that grows downwards is read more easily than one that grows sideways.
  const most = lanes > MANY_LANES ? 1 : 2;
  const rows = spread(boxes, rowsOf(boxes, lines.filter((_, place) => valid[place])), most);
  const { slots, counts } = slotsOf(boxes, lines, rows, lanes);
  const depth = Math.max(-1, ...rows.values()) + 1;
  const at = <T>(map: ReadonlyMap<string, T>, id: string, otherwise: T) => map.get(id) ?? otherwise;

  // Lines that share a gutter or a gap run beside one another, one track a port.
  const first = counts.map((_, lane) => counts.slice(0, lane).reduce((sum, count) => sum + count, 0));
  const box = new Map(boxes.map((one) => [one.id, one]));
  const column = (id: string) => (first[box.get(id)?.lane ?? 0] ?? 0) + at(slots, id, 0);
  const columns = counts.reduce((sum, count) => sum + count, 0);
  const gutters: string[][] = Array.from({ length: columns }, () => []);
  const gaps: string[][] = Array.from({ length: depth }, () => []);
  const track = (tracks: string[] | undefined, name: string) => {
    if (tracks === undefined) return 0;
    if (!tracks.includes(name)) tracks.push(name);
    return tracks.indexOf(name);
  };
  lines.forEach((line, place) => {
    if (!valid[place] || line.isHidden) return;
    track(gutters[column(line.from)], `${line.from} ${line.port}`);
    track(gaps[at(rows, line.to, 0)], `${line.from} ${line.port}`);
  });

  const xs: number[] = [];
  let x = sizes.gutter;
  for (const tracks of gutters) {
    xs.push(x);
    x += sizes.width + sizes.gutter + tracks.length * sizes.track;
  }
  const ys: number[] = [];
  let y = sizes.head;
  for (let row = 0; row < depth; row += 1) {
    y += sizes.gap + (gaps[row]?.length ?? 0) * sizes.track;
    ys.push(y);
    const inRow = boxes.filter((one) => rows.get(one.id) === row);
    y += Math.max(...inRow.map((one) => sizes.height + one.ports.length * sizes.port));
  }

  const left = (id: string) => xs[column(id)] ?? 0;
  const top = (id: string) => ys[at(rows, id, 0)] ?? 0;
  const paths = lines.map((line, place) => {
    if (!valid[place] || line.isHidden) return { path: "", isBack: false };
    const name = `${line.from} ${line.port}`;
    const row = Math.max(0, box.get(line.from)?.ports.indexOf(line.port) ?? 0);
    const startX = left(line.from) + sizes.width;
    const startY = top(line.from) + sizes.height + (row + 0.5) * sizes.port;
    const alongX = startX + (track(gutters[column(line.from)], name) + 1) * sizes.track;
    const acrossY = top(line.to) - sizes.gap / 2 - track(gaps[at(rows, line.to, 0)], name) * sizes.track;
    const endX = left(line.to) + sizes.width / 2;
    const isBack = at(rows, line.from, 0) >= at(rows, line.to, 0);
    return { path: `M${startX} ${startY}H${alongX}V${acrossY}H${endX}V${top(line.to)}`, isBack };
  });
  return {
    width: x,
    height: y + sizes.gap,
    lanes: counts.map((count, lane) => {
      const begin = xs[first[lane] ?? 0] ?? x;
      const end = xs[(first[lane] ?? 0) + count] ?? x;
      return { x: begin - sizes.gutter / 2, width: end - begin };
    }),
    boxes: boxes.map(({ id }) => ({ id, x: left(id), y: top(id), row: at(rows, id, 0) })),
    lines: paths,
  };
}

/** The row of every box, and the lines that count for it: of a circle the line that closes it does not. */
interface Rows {
  rows: Map<string, number>;
  kept: [string, string][];
  /** Every box after all that leads to it. */
  order: string[];
}

/** One below the lowest of those that lead to it. What nothing leads to stands just above the first box it leads to. */
function rowsOf(boxes: readonly Box[], lines: readonly Line[]): Rows {
  const from = new Map<string, string[]>(boxes.map((box) => [box.id, []]));
  for (const line of lines) from.get(line.from)?.push(line.to);
  const order: string[] = [];
  const kept: [string, string][] = [];
  const state = new Map<string, "open" | "done">();
  const visit = (id: string) => {
    state.set(id, "open");
    for (const next of from.get(id) ?? []) {
      if (state.get(next) === "open") continue;
      kept.push([id, next]);
      if (!state.has(next)) visit(next);
    }
    state.set(id, "done");
    order.unshift(id);
  };
  const isLedTo = new Set(lines.map((line) => line.to));
  for (const box of boxes) if (!isLedTo.has(box.id)) visit(box.id);
  for (const box of boxes) if (!state.has(box.id)) visit(box.id);

  const rows = new Map(boxes.map((box) => [box.id, 0]));
  for (const id of order) {
    for (const [begin, end] of kept) if (begin === id) rows.set(end, Math.max(rows.get(end) ?? 0, (rows.get(id) ?? 0) + 1));
  }
  for (const { id } of boxes) {
    const next = kept.filter(([begin]) => begin === id).map(([, end]) => rows.get(end) ?? 0);
    if (!isLedTo.has(id) && next.length > 0) rows.set(id, Math.max(0, Math.min(...next) - 1));
  }
  return { rows, kept, order };
}

/**
 * Rows in which a lane holds at most so many boxes: what is too much moves down, and what it leads to with it. What could
 * stand higher goes first, and of those the one on which the longest way hangs.
 */
function spread(boxes: readonly Box[], { rows, kept, order }: Rows, most: number): Map<string, number> {
  const ahead = new Map<string, number>();
  for (const id of [...order].reverse()) {
    const next = kept.filter(([begin]) => begin === id).map(([, end]) => (ahead.get(end) ?? 0) + 1);
    ahead.set(id, Math.max(0, ...next));
  }
  const lanes = new Map(boxes.map((box) => [box.id, box.lane]));
  const taken = new Map<string, number>();
  const placed = new Map<string, number>();
  const waiting = new Set(boxes.map((box) => box.id));
  for (let row = 0; waiting.size > 0; row += 1) {
    const ready = [...waiting].filter(
      (id) =>
        (rows.get(id) ?? 0) <= row &&
        kept.every(([begin, end]) => end !== id || (placed.get(begin) ?? Number.POSITIVE_INFINITY) < row),
    );
    const since = (id: string) => rows.get(id) ?? 0;
    const way = (id: string) => ahead.get(id) ?? 0;
    ready.sort((left, right) => since(left) - since(right) || way(right) - way(left) || order.indexOf(left) - order.indexOf(right));
    for (const id of ready) {
      const place = `${row} ${lanes.get(id) ?? 0}`;
      const count = taken.get(place) ?? 0;
      if (count === most) continue;
      taken.set(place, count + 1);
      placed.set(id, row);
      waiting.delete(id);
    }
  }
  return placed;
}

/** Which place of its lane every box has in its row, near to what leads to it, and how many places each lane needs. */
function slotsOf(
  boxes: readonly Box[],
  lines: readonly Line[],
  rows: ReadonlyMap<string, number>,
  lanes: number,
): { slots: Map<string, number>; counts: number[] } {
  const depth = Math.max(-1, ...rows.values()) + 1;
  const inPlace = (lane: number, row: number) => boxes.filter((box) => box.lane === lane && rows.get(box.id) === row);
  const counts = Array.from({ length: lanes }, (_, lane) =>
    Math.max(1, ...Array.from({ length: depth }, (_, row) => inPlace(lane, row).length)),
  );
  const first = counts.map((_, lane) => counts.slice(0, lane).reduce((sum, count) => sum + count, 0));
  const columns = new Map<string, number>();
  const slots = new Map<string, number>();
  for (let row = 0; row < depth; row += 1) {
    for (let lane = 0; lane < lanes; lane += 1) {
      const start = first[lane] ?? 0;
      const wanted = inPlace(lane, row).map((box) => {
        const before = lines.filter((line) => line.to === box.id).map((line) => columns.get(line.from));
        const places = before.filter((place) => place !== undefined);
        const mean = places.reduce((sum, place) => sum + place, 0) / places.length;
        return { id: box.id, place: places.length === 0 ? start : mean };
      });
      wanted.sort((left, right) => left.place - right.place);
      let next = 0;
      for (const [index, { id, place }] of wanted.entries()) {
        const last = (counts[lane] ?? 1) - (wanted.length - index);
        const slot = Math.min(Math.max(next, Math.round(place) - start), last);
        slots.set(id, slot);
        columns.set(id, start + slot);
        next = slot + 1;
      }
    }
  }
  return { slots, counts };
}
