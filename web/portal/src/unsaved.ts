import { useEffect } from "react";

/** The forms on this page that hold something nobody has saved. */
const forms = new Set<object>();

/** Whether something on this page would be lost by leaving it. */
export function hasUnsaved(): boolean {
  return forms.size > 0;
}

/** Says of a form whether it holds something unsaved. The browser asks before such a page is closed. */
export function useUnsaved(isUnsaved: boolean): void {
  useEffect(() => {
    if (!isUnsaved) return;
    const form = {};
    forms.add(form);
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => {
      forms.delete(form);
      removeEventListener("beforeunload", ask);
    };
  }, [isUnsaved]);
}
