import { useEffect, useRef } from "react";

/** Between two keys of a reader lie fewer milliseconds than this; nobody types so fast. */
const BETWEEN = 40;
/** Fewer characters than this are no card. */
const LEAST = 6;

/** Keys that came fast, one after another. */
export interface Burst {
  text: string;
  /** When the last of them came, in milliseconds. */
  last: number;
}

/** Takes one more key into a burst, or begins another with it. */
export function grow(burst: Burst | undefined, key: string, at: number): Burst {
  return burst !== undefined && at - burst.last < BETWEEN ? { text: burst.text + key, last: at } : { text: key, last: at };
}

/** What a card said when this burst ended with Enter; nothing when a person typed it. */
export function cardOf(burst: Burst | undefined, at: number): string | undefined {
  const isCard = burst !== undefined && at - burst.last < BETWEEN && burst.text.length >= LEAST;
  return isCard ? burst.text : undefined;
}

/**
 * Takes what a card reader types, wherever the focus is. A reader is a keyboard to the browser: it is told from a person
 * by its speed and by the Enter at its end. What it left in a field that was in its way is taken out again.
 */
export function useScan(onCard: (text: string) => void): void {
  const told = useRef(onCard);
  told.current = onCard;
  useEffect(() => {
    let burst: Burst | undefined;
    let before: { field: HTMLInputElement | HTMLTextAreaElement; value: string } | undefined;
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.key === "Enter") {
        const card = cardOf(burst, event.timeStamp);
        burst = undefined;
        if (card === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        if (before !== undefined && before.field.id !== "finder") restore(before.field, before.value);
        told.current(card);
      } else if (event.key.length === 1) {
        const grown = grow(burst, event.key, event.timeStamp);
        if (grown.text.length === 1) {
          const { target } = event;
          const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
          before = isField ? { field: target, value: target.value } : undefined;
        }
        burst = grown;
      }
    };
    addEventListener("keydown", listen, { capture: true });
    return () => removeEventListener("keydown", listen, { capture: true });
  }, []);
}

/** Gives a field back the value it had, so that the screen that owns it hears of it. */
function restore(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  const owner = field instanceof HTMLInputElement ? HTMLInputElement : HTMLTextAreaElement;
  Object.getOwnPropertyDescriptor(owner.prototype, "value")?.set?.call(field, value);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
