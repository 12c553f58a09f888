import { useEffect, useState } from "react";
import { nextPoint, type Points } from "./clock";

/** The longest a shown length of time may be behind, in milliseconds. */
const BEHIND = 15_000;

/** The moment, renewed when one of the clocks comes to a point and often enough for the minutes that are shown. */
export function useTick(clocks: readonly Points[]): number {
  const [now, setNow] = useState(() => Date.now());
  const point = nextPoint(clocks, now);
  useEffect(() => {
    const wait = Math.min(BEHIND, Math.max(0, (point ?? Number.POSITIVE_INFINITY) - Date.now()));
    const timer = setTimeout(() => setNow(Date.now()), wait + 1);
    return () => clearTimeout(timer);
  }, [now, point]);
  return now;
}
