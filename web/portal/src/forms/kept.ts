/**
 * What this tab keeps of forms that are filled in partly. It outlives a reload and a broken line, but neither the tab nor
 * signing out: a computer on a ward is everybody's. What should live longer is in the record.
 */
const KEPT = "qingshan.form.";

const nameOf = (account: string, name: string) => `${KEPT}${account}.${name}`;

/** Keeps something for an account. */
export function keep(account: string, name: string, value: unknown): void {
  try {
    sessionStorage.setItem(nameOf(account, name), JSON.stringify(value));
  } catch {
    // A full or forbidden store leaves what is on the screen, and what the record keeps.
  }
}

/** What was kept for an account under a name. */
export function kept<T>(account: string, name: string): T | undefined {
  try {
    return (JSON.parse(sessionStorage.getItem(nameOf(account, name)) ?? "null") as T | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Forgets one thing of an account. */
export function forgetKept(account: string, name: string): void {
  sessionStorage.removeItem(nameOf(account, name));
}

/** Forgets what is kept for everybody but, if one is named, that account. */
export function forgetOthers(account: string | undefined): void {
  const own = account === undefined ? undefined : nameOf(account, "");
  const keys = Array.from({ length: sessionStorage.length }, (_, place) => sessionStorage.key(place) ?? "");
  for (const key of keys) if (key.startsWith(KEPT) && (own === undefined || !key.startsWith(own))) sessionStorage.removeItem(key);
}
