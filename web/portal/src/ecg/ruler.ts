import { useSyncExternalStore } from "react";

/** An identity card, 居民身份证, and every bank card: ISO/IEC 7810, ID-1. In millimetres. */
export const CARD = { width: 85.6, height: 53.98 };

const KEPT = "qingshan.ruler";
const CHANGED = "qingshan-ruler";
/** By how much a screen can be off what its system says of it. */
export const LIMITS = [0.4, 3] as const;

/** How many of a screen's own millimetres one of paper is, and at which enlargement of the browser that was measured. */
interface Kept {
  factor: number;
  dots: number;
}

function kept(): Kept | undefined {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "null") as Kept | null;
    const isSound = found !== null && found.factor >= LIMITS[0] && found.factor <= LIMITS[1] && found.dots > 0;
    return isSound ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The factor at an enlargement of the browser: a page that is enlarged needs fewer of its millimetres for one of paper. */
export function factorAt({ factor, dots }: Kept, now: number): number {
  return (factor * dots) / now;
}

/** How many of this screen's millimetres make one true one; nothing before somebody laid a card on it. */
export function useRuler(): number | undefined {
  return useSyncExternalStore(
    (changed) => {
      addEventListener(CHANGED, changed);
      addEventListener("resize", changed);
      addEventListener("storage", changed);
      return () => {
        removeEventListener(CHANGED, changed);
        removeEventListener("resize", changed);
        removeEventListener("storage", changed);
      };
    },
    () => {
      const found = kept();
      return found === undefined ? undefined : factorAt(found, devicePixelRatio);
    },
  );
}

/** Keeps what was measured on this device. */
export function keepRuler(factor: number): void {
  localStorage.setItem(KEPT, JSON.stringify({ factor, dots: devicePixelRatio } satisfies Kept));
  dispatchEvent(new Event(CHANGED));
}
