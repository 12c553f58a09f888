import type { RunStep, RunView } from "@qingshan/client";
import { leftAt, levelAt, placesOn } from "../runs/clock";
import { FRESH } from "../runs/position";
import { openClocks, type Place, type Road } from "./board";

/** A length of time, no finer than it is shown. */
function step(length: number): string {
  const seconds = Math.floor(Math.abs(length) / 1_000);
  return `${length < 0 ? "-" : ""}${seconds < 60 ? seconds : `${Math.floor(seconds / 60)}m`}`;
}

/**
 * What goes on in a row by itself, no finer than it is shown: as long as it is the same, the row looks the same and need
 * not be drawn again, though the clock has moved on.
 *
 * @param next what is to be done next, which tells how long it has waited
 * @param most how many clocks stand in the row
 */
export function faceOf(runs: readonly RunView[], place: Place, road: Road | undefined, next: RunStep | undefined, most: number, now: number): string {
  const parts: string[] = [];
  if (place.kind === "door" || place.kind === "here") parts.push(step(now - place.since));
  if (place.kind === "coming") {
    parts.push(place.at < now ? "past" : "", step(now - place.at));
    if (place.said !== undefined) parts.push(step(Math.max(0, now - place.said)));
  }
  const position = road?.position;
  if (position !== undefined) parts.push(now - position > FRESH ? "old" : "", step(Math.max(0, now - position)));
  for (const [place, clock] of openClocks(runs).entries()) {
    parts.push(levelAt(clock, now));
    // Of those that do not stand in the row only how grave the worst of them is shows.
    if (place >= most) continue;
    const left = leftAt(clock, now);
    parts.push(left === undefined ? "" : step(left), ...Object.values(placesOn(clock, now)).map(String));
  }
  if (next?.since !== undefined) parts.push(step(now - Date.parse(next.since)));
  return parts.join();
}
