import type { ClockLevel, RunClock, When } from "@qingshan/client";

/** The moments of a clock, as far as they are known. */
export type Points = Pick<RunClock, "stopped" | "paused" | "cut" | "target" | "warn" | "breach">;

const at = (when: When | undefined): number => (when === undefined ? Number.NaN : Date.parse(when));

/** How far a clock is at a moment, in milliseconds since 1970. A moment on a point has reached it. */
export function levelAt(clock: Points, now: number): ClockLevel {
  if (clock.cut) return "cut";
  if (clock.stopped !== undefined) return at(clock.stopped) > at(clock.breach) ? "late" : "met";
  if (clock.paused !== undefined) return "held";
  if (now >= at(clock.breach)) return "breach";
  if (now >= at(clock.warn)) return "warn";
  if (now >= at(clock.target)) return "target";
  return "running";
}

/** Milliseconds until the limit, negative once it is over; nothing when there is none or the clock does not run. */
export function leftAt(clock: Points, now: number): number | undefined {
  const left = at(clock.breach) - (clock.stopped === undefined ? now : at(clock.stopped));
  return Number.isNaN(left) || clock.paused !== undefined || clock.cut ? undefined : left;
}

/** Which of several clocks is the worst off: the one that will break first, and what is over before all others. */
export function mostUrgent<T extends Points>(clocks: readonly T[]): T | undefined {
  const running = clocks.filter((clock) => clock.stopped === undefined && clock.paused === undefined && !clock.cut);
  const due = (clock: T) => (clock.breach === undefined ? Number.POSITIVE_INFINITY : at(clock.breach));
  return [...running].sort((left, right) => due(left) - due(right))[0];
}

/** When a screen that shows these clocks looks different by itself next, in milliseconds since 1970. */
export function nextPoint(clocks: readonly Points[], now: number): number | undefined {
  const open = clocks.filter((clock) => clock.stopped === undefined && clock.paused === undefined && !clock.cut);
  const points = open.flatMap((clock) => [at(clock.target), at(clock.warn), at(clock.breach)]);
  const coming = points.filter((point) => point > now);
  return coming.length === 0 ? undefined : Math.min(...coming);
}

/**
 * Where the points of a clock lie on a bar that reaches from its beginning to its end or limit, from 0 to 1. They move in
 * hundredths: finer steps nobody sees, and each would be drawn.
 */
export function placesOn(clock: Points & Pick<RunClock, "began">, now: number): {
  needle: number;
  target?: number;
  warn?: number;
  breach?: number;
} {
  const began = at(clock.began);
  const end = clock.stopped === undefined ? now : at(clock.stopped);
  const limits = [clock.target, clock.warn, clock.breach].map(at).filter((point) => !Number.isNaN(point));
  // A tenth of the bar is left behind the limit, so that being just over it can be seen.
  const length = Math.max(...limits.map((point) => (point - began) * 1.1), end - began, 1);
  const place = (moment: number) => Math.min(1, Math.max(0, Math.round((100 * (moment - began)) / length) / 100));
  const placed: ReturnType<typeof placesOn> = { needle: place(end) };
  for (const point of ["target", "warn", "breach"] as const) {
    if (clock[point] !== undefined) placed[point] = place(at(clock[point]));
  }
  return placed;
}
