import type { ClockLevel, RunClock } from "@qingshan/client";
import { useTexts } from "../language";
import { leftAt, levelAt, placesOn, type Points } from "./clock";
import { showLength } from "./words";

/** One shape a level, so that nobody needs its colour: the worse, the more of it is filled and the more corners it has. */
const SHAPES: Readonly<Record<ClockLevel, string>> = {
  running: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z",
  target: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12zM8 2v6h6a6 6 0 0 0-6-6z",
  warn: "M8 1.5L15 14H1zM8 6v4M8 11.6v.8",
  breach: "M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 4v5M8 10.8v1.4",
  held: "M5 3v10M11 3v10",
  met: "M2.5 8.5l3.5 3.5 7.5-8",
  late: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  cut: "M2.5 8h11",
};

/** The sign of a level. */
export function LevelSign({ level }: { level: ClockLevel }) {
  return (
    <svg className="level-sign" viewBox="0 0 16 16" width={16} height={16} aria-hidden>
      <path d={SHAPES[level]} />
    </svg>
  );
}

/** How a clock stands: in a shape, in words and in a colour, none of which needs the others. */
export function ClockMark({ clock, now }: { clock: Points; now: number }) {
  const texts = useTexts();
  const { t } = texts;
  const level = levelAt(clock, now);
  const left = leftAt(clock, now);
  const told = () => {
    // Stopping at the very limit is in time, and there is nothing more to say.
    if (left === undefined || (clock.stopped !== undefined && Math.abs(left) < 1_000)) return undefined;
    const length = showLength(texts, left);
    if (clock.stopped !== undefined) return t(left < 0 ? "clock.wasOver" : "clock.wasLeft", { length });
    return t(left <= 0 ? "clock.over" : "clock.left", { length });
  };
  const length = told();
  return (
    <span className={`clock clock-${level}`}>
      <LevelSign level={level} />
      {length !== undefined && <span className="clock-length">{length}</span>}
      <span className={length === undefined ? "clock-length" : "clock-level"}>{t(`clock.level.${level}`)}</span>
    </span>
  );
}

/** How far a clock has run between its beginning and its limit, with its points where they lie. */
export function ClockBar({ clock, now }: { clock: Points & Pick<RunClock, "began">; now: number }) {
  const { needle, ...points } = placesOn(clock, now);
  return (
    <svg className={`clock-bar clock-${levelAt(clock, now)}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden>
      <rect className="clock-bar-all" width={100} height={8} />
      <rect className="clock-bar-run" width={needle * 100} height={8} />
      {Object.entries(points).map(([point, place]) => (
        <line key={point} className={`clock-bar-${point}`} x1={place * 100} x2={place * 100} y1={0} y2={8} />
      ))}
    </svg>
  );
}
