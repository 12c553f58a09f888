/** How many people are remembered. */
const MOST = 8;

/** Ids only: names stay in the record, which decides anew whether they may be shown. */
function nameFor(hat: string): string {
  return `qingshan.recent.${hat}`;
}

/** Ids of the people whose records were opened in this tab under this hat, the last one first. */
export function recent(hat: string): string[] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(nameFor(hat)) ?? "[]");
    return Array.isArray(found) ? found.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

/** Remembers that this person's record was opened. */
export function remember(hat: string, id: string): void {
  const others = recent(hat).filter((other) => other !== id);
  sessionStorage.setItem(nameFor(hat), JSON.stringify([id, ...others].slice(0, MOST)));
}
