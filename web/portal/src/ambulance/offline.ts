import type { Session } from "@qingshan/client";
import { patiently } from "../patiently";

/** Where the page itself is put by, under the name that public/ambulance-worker.js knows. */
const KEPT = "qingshan.ambulance";
const CREW = "qingshan.ambulance.crew";

/**
 * Puts by what the tablet needs to begin without a line: the page and everything it has loaded. A page that names other
 * files than those is a newer one, and is put by when it is open.
 */
export async function prepare(): Promise<void> {
  if (!("serviceWorker" in navigator) || !("caches" in globalThis)) return;
  const answer = await fetch("/ambulance", { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const html = await answer.clone().text();
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
  const own = new Set(loaded.filter(({ origin, pathname }) => origin === location.origin && (pathname.startsWith("/assets/") || pathname === "/mark.svg")).map(({ pathname }) => pathname));
  const named = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? "");
  if (!named.every((path) => own.has(path))) return;
  const kept = await caches.open(KEPT);
  await kept.addAll([...own]);
  await kept.put("/ambulance", answer);
  for (const { url } of await kept.keys()) {
    const { pathname } = new URL(url);
    if (pathname !== "/ambulance" && !own.has(pathname)) await kept.delete(url);
  }
  await navigator.serviceWorker.register("/ambulance-worker.js", { scope: "/ambulance" });
}

/** Keeps who is on the ambulance until they sign out, so that a tab that was killed in a tunnel knows them again. */
export function keepCrew(session: Session): void {
  localStorage.setItem(CREW, JSON.stringify(session));
}

/** Who is on the ambulance, when this page is its tablet's and their session has not ended by itself. */
export function keptCrew(now: number): Session | undefined {
  if (!location.pathname.startsWith("/ambulance")) return undefined;
  try {
    const session = JSON.parse(localStorage.getItem(CREW) ?? "null") as Session | null;
    return session !== null && Date.parse(session.expires) > now ? session : undefined;
  } catch {
    return undefined;
  }
}

/** Forgets who was on the ambulance. */
export function forgetCrew(): void {
  localStorage.removeItem(CREW);
}

/** Ends a shift on this device: nothing stays but what the record does not have yet. */
export function endShift(): void {
  if (localStorage.getItem(CREW) === null) return;
  forgetCrew();
  void patiently(() => import("./kept")).then(({ dropDelivered }) => dropDelivered());
}
