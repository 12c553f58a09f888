/** Between two attempts at code that did not arrive, in milliseconds; the last is kept to. */
const WAITS = [1_000, 2_000, 5_000, 15_000, 60_000] as const;

/** Loads code however often the line breaks meanwhile. Nothing is asked for any more, nor given, once `signal` ends it. */
export async function patiently<T>(load: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await load();
    } catch {
      await lull(tries, signal);
      signal?.throwIfAborted();
    }
  }
}

/** Ends after a while, as soon as there is a line again, or when nobody waits for it. */
function lull(tries: number, signal?: AbortSignal): Promise<void> {
  return new Promise((over) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal?.removeEventListener("abort", end);
      over();
    };
    const timer = setTimeout(end, WAITS[Math.min(tries, WAITS.length - 1)]);
    addEventListener("online", end);
    signal?.addEventListener("abort", end);
  });
}
