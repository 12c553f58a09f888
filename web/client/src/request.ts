import { Failure } from "./failure";

/** How long an ordinary request may take, in milliseconds: long enough for a page over a line of 30 KB/s. */
const PATIENCE = 30_000;

/** `fetch`, with a bound on its time and the one error of this package. */
export async function ask(url: string, init: RequestInit, isBounded = true): Promise<Response> {
  // The session's cookie speaks for the caller, and travels to the service it came from alone.
  const request: RequestInit = { ...init, credentials: "same-origin" };
  const signals = [init.signal, isBounded ? AbortSignal.timeout(PATIENCE) : undefined].filter((signal) => signal != null);
  try {
    return await fetch(url, signals.length === 0 ? request : { ...request, signal: AbortSignal.any(signals) });
  } catch (cause) {
    // A caller that no longer wants the answer must see its own abort, not a connection that failed.
    if (init.signal?.aborted) throw cause;
    throw new Failure("offline", undefined);
  }
}

/** The body as JSON. A connection that breaks within the body is as good as none. */
export async function bodyOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new Failure("fault", response.status);
    throw new Failure("offline", undefined);
  }
}
