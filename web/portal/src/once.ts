import { useRef } from "react";
import { newId } from "./patients/vitals";

/**
 * Ids for what a form sends, one for each content: the same sent again after a broken line is written once, and what was
 * changed meanwhile is not taken for what was sent before.
 */
export function useOnce(): { idOf(content: string): string; forget(): void } {
  const ids = useRef(new Map<string, string>());
  return {
    idOf(content) {
      const id = ids.current.get(content) ?? newId();
      ids.current.set(content, id);
      return id;
    },
    // What was written is done with; the same once more is meant as a second one.
    forget: () => ids.current.clear(),
  };
}
