/** How wide what there is to choose from is, in pixels: each screen, and the way to the rest. */
export interface Widths {
  screens: readonly number[];
  more: number;
  gap: number;
}

/** How many of the screens stand in a line of this width, in their order; those behind them come with the way to them. */
export function fitting({ screens, more, gap }: Widths, room: number): number {
  const taken = (count: number) => screens.slice(0, count).reduce((sum, width) => sum + width + gap, 0);
  if (taken(screens.length) - gap <= room) return screens.length;
  let count = screens.length - 1;
  while (count > 1 && taken(count) + more > room) count -= 1;
  return Math.max(1, count);
}
