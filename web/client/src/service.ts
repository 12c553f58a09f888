import { Failure, failureOf, kindOf } from "./failure";
import type { Bundle, OperationOutcome, Resource } from "./fhir";

/** How long an ordinary request may take, in milliseconds: long enough for a page over a line of 30 KB/s. */
const PATIENCE = 30_000;

const FHIR_JSON = "application/fhir+json";

/** What a successful sign-in gives. */
export interface SignedIn {
  token: string;
  /** When the token ends, in milliseconds since 1970. */
  until: number;
  /** The SMART scopes that were granted, separated by spaces. */
  scope: string;
}

/** One page of a search. */
export interface Page<T> {
  found: T[];
  /** Where the next page is; absent on the last one. */
  next?: string;
}

/** The answer to one of several questions asked at once. */
export type Answer<T> = { page: Page<T> } | { failure: Failure };

/**
 * Exchanges an id and a secret for a token by the client credentials grant.
 * <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>
 *
 * @param origin where the service is, such as `https://record.example`
 * @param now milliseconds since 1970
 * @throws Failure of kind `refused` when the pair is wrong
 */
export async function signIn(origin: string, id: string, secret: string, now: number): Promise<SignedIn> {
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: secret });
  const response = await ask(`${origin}/auth/token`, { method: "POST", body });
  if (!response.ok) {
    const isWrong = response.status === 400 || response.status === 401;
    throw new Failure(isWrong ? "refused" : kindOf(response.status), response.status);
  }
  const given = (await bodyOf(response)) as { access_token: string; expires_in: number; scope?: string };
  return { token: given.access_token, until: now + given.expires_in * 1000, scope: given.scope ?? "" };
}

/** The FHIR service as one signed-in caller sees it. Every method throws {@link Failure} and nothing else. */
export class Service {
  /**
   * @param origin where the service is, without a trailing slash; the FHIR base is `/fhir` on it
   * @param token a bearer token
   * @param onSignedOut told when the service no longer believes the token
   */
  constructor(
    private readonly origin: string,
    private readonly token: string,
    private readonly onSignedOut: () => void = () => {},
  ) {}

  /** Reads the current version. <http://hl7.org/fhir/R4/http.html#read> */
  async read<T extends Resource>(type: T["resourceType"], id: string, signal?: AbortSignal): Promise<T> {
    return (await bodyOf(await this.fetch(`/fhir/${type}/${encodeURIComponent(id)}`, { signal }))) as T;
  }

  /** Asks for the first page of a search. <http://hl7.org/fhir/R4/search.html> */
  async search<T extends Resource>(
    type: T["resourceType"],
    params: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Page<T>> {
    return this.page<T>(`/fhir/${type}?${new URLSearchParams(params).toString()}`, signal);
  }

  /** Asks for a page by the address another page gave. */
  async page<T extends Resource>(address: string, signal?: AbortSignal): Promise<Page<T>> {
    const response = await this.fetch(this.local(address), { signal });
    return pageOf<T>((await bodyOf(response)) as Bundle);
  }

  /**
   * Asks several searches in one request and answers each in its place, so that a screen of many parts costs one
   * round trip and one refused part does not hide the others. <http://hl7.org/fhir/R4/http.html#transaction>
   */
  async pages(addresses: readonly string[], signal?: AbortSignal): Promise<Answer<Resource>[]> {
    const entry = addresses.map((address) => ({
      request: { method: "GET", url: this.local(address).replace(/^\/fhir\//, "") },
    }));
    const batch: Bundle = { resourceType: "Bundle", type: "batch", entry };
    const response = await this.fetch("/fhir", { method: "POST", body: JSON.stringify(batch), signal });
    const answers = ((await bodyOf(response)) as Bundle).entry ?? [];
    return addresses.map((_, index) => {
      const answer = answers[index];
      const status = Number.parseInt(answer?.response?.status ?? "500", 10);
      if (status < 300 && answer?.resource?.resourceType === "Bundle") {
        return { page: pageOf(answer.resource as Bundle) };
      }
      const outcome = (answer?.response?.outcome ?? answer?.resource) as OperationOutcome | undefined;
      return { failure: new Failure(kindOf(status), status, outcome) };
    });
  }

  /**
   * Writes a resource under the id it carries. Doing so twice leaves one resource, so a form may send again what it
   * does not know to have arrived. <http://hl7.org/fhir/R4/http.html#upsert>
   */
  async put<T extends Resource>(resource: T & { id: string }): Promise<T> {
    const path = `/fhir/${resource.resourceType}/${encodeURIComponent(resource.id)}`;
    return (await bodyOf(await this.fetch(path, { method: "PUT", body: JSON.stringify(resource) }))) as T;
  }

  /**
   * Creates a resource unless one matches the search, and says which of the two happened.
   * <http://hl7.org/fhir/R4/http.html#ccreate>
   */
  async createUnless<T extends Resource>(
    resource: T,
    search: Record<string, string>,
  ): Promise<{ resource: T; isNew: boolean }> {
    const response = await this.fetch(`/fhir/${resource.resourceType}`, {
      method: "POST",
      body: JSON.stringify(resource),
      headers: { "If-None-Exist": new URLSearchParams(search).toString() },
    });
    return { resource: (await bodyOf(response)) as T, isNew: response.status === 201 };
  }

  /** Opens the live stream of a topic; the caller reads and ends it. */
  async stream(topic: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastEventId !== undefined) headers["Last-Event-ID"] = lastEventId;
    return this.fetch(`/live?topic=${encodeURIComponent(topic)}`, { headers, signal, cache: "no-store" }, false);
  }

  /** An address on this service. Links may name the service as a proxy sees it, and a token leaves for no other host. */
  private local(address: string): string {
    const url = new URL(address, `${this.origin}/fhir/`);
    return url.pathname.replace(/^.*?\/fhir\//, "/fhir/") + url.search;
  }

  private async fetch(
    path: string,
    init: Omit<RequestInit, "signal"> & { signal?: AbortSignal | undefined },
    isBounded = true,
  ): Promise<Response> {
    const headers: Record<string, string> = { Accept: FHIR_JSON, Authorization: `Bearer ${this.token}` };
    if (init.body !== undefined) {
      headers["Content-Type"] = FHIR_JSON;
      headers["Prefer"] = "return=representation";
    }
    Object.assign(headers, init.headers);
    const { signal, ...rest } = init;
    const response = await ask(this.origin + path, { ...rest, headers, ...(signal && { signal }) }, isBounded);
    if (response.ok) return response;
    const failure = await failureOf(response);
    if (failure.kind === "signedOut") this.onSignedOut();
    throw failure;
  }
}

function pageOf<T extends Resource>(bundle: Bundle): Page<T> {
  const found = (bundle.entry ?? [])
    .filter((entry) => entry.resource !== undefined && (entry.search?.mode ?? "match") === "match")
    .map((entry) => entry.resource as T);
  const next = bundle.link?.find((link) => link.relation === "next")?.url;
  return next === undefined ? { found } : { found, next };
}

/** `fetch`, with a bound on its time and the one error of this package. */
async function ask(url: string, init: RequestInit, isBounded = true): Promise<Response> {
  // The token is all that speaks for the caller. A browser that may add credentials of its own would answer a refused
  // sign-in with a window of its own.
  const request: RequestInit = { ...init, credentials: "omit" };
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
async function bodyOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new Failure("fault", response.status);
    throw new Failure("offline", undefined);
  }
}
