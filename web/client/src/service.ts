import { Failure, failureOf, kindOf } from "./failure";
import type { Bundle, Identifier, OperationOutcome, Parameters, Resource } from "./fhir";
import { ask, bodyOf } from "./request";

/** The system of identifiers that are addresses. <http://hl7.org/fhir/R4/identifier-registry.html> */
const URI = "urn:ietf:rfc:3986";

const FHIR_JSON = "application/fhir+json";

/** How many pages of one search are read at once. */
const MOST_PAGES = 20;

/** One page of a search. */
export interface Page<T> {
  found: T[];
  /** Where the next page is; absent on the last one. */
  next?: string;
}

/** The answer to one of several questions asked at once. */
export type Answer<T> = { page: Page<T> } | { failure: Failure };

/** What speaks for a caller beside the session's cookie. */
export interface Credentials {
  /** Shows of a request that changes something that this page sent it. */
  csrf: string;
  /** Why the record is looked at: a code of v3-ActReason. <http://terminology.hl7.org/ValueSet/v3-PurposeOfUse> */
  purpose: string;
}

/** What a clock that is told to the second and over a line may be off by, in milliseconds. */
const ROUGH = 2_000;

/** The FHIR service as one signed-in caller sees it. Every method throws {@link Failure} and nothing else. */
export class Service {
  /**
   * @param origin where the service is, without a trailing slash; the FHIR base is `/fhir` on it
   * @param credentials of the session that was opened by {@link Account}
   * @param onSignedOut told when the service no longer knows the session
   * @param onAnswered told whenever the service answered, which keeps a session from ending for idleness
   */
  constructor(
    private readonly origin: string,
    private readonly credentials: Credentials,
    private readonly onSignedOut: () => void = () => {},
    private readonly onAnswered: () => void = () => {},
  ) {}

  private lag = 0;

  /**
   * How far this device's clock is behind that of the service, in milliseconds, as far as its answers told. Clocks of
   * ward computers are often minutes off, and what is due is told by the clock of the service.
   */
  get behind(): number {
    return this.lag;
  }

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
   * Creates a resource once, however often the same one is sent: the id it carries, which the sender chose, becomes an
   * identifier of it, and the record gives it an id of its own. <http://hl7.org/fhir/R4/http.html#ccreate>
   */
  async createOnce<T extends Resource & { identifier?: Identifier[] }>(chosen: T & { id: string }): Promise<T> {
    const { id, ...rest } = chosen;
    const own: Identifier = { system: URI, value: `urn:uuid:${id}` };
    const resource = { ...rest, identifier: [...(rest.identifier ?? []), own] } as unknown as T;
    return (await this.createUnless<T>(resource, { identifier: `${URI}|${own.value}` })).resource;
  }

  /**
   * Changes a resource that was read before, unless somebody else did so meanwhile.
   * <http://hl7.org/fhir/R4/http.html#concurrency>
   *
   * @throws Failure of kind `conflict` when they did
   */
  async update<T extends Resource>(resource: T): Promise<T> {
    const path = `/fhir/${resource.resourceType}/${encodeURIComponent(resource.id ?? "")}`;
    const headers = { "If-Match": `W/"${resource.meta?.versionId ?? ""}"` };
    return (await bodyOf(await this.fetch(path, { method: "PUT", body: JSON.stringify(resource), headers }))) as T;
  }

  /**
   * Changes several resources that were read before, all of them or none: none when somebody else changed one of them
   * meanwhile. <http://hl7.org/fhir/R4/http.html#transaction>
   *
   * @throws Failure of kind `conflict` when they did
   */
  async updateAll(resources: readonly Resource[]): Promise<void> {
    const entry = resources.map((resource) => ({
      resource,
      request: {
        method: "PUT",
        url: `${resource.resourceType}/${encodeURIComponent(resource.id ?? "")}`,
        ifMatch: `W/"${resource.meta?.versionId ?? ""}"`,
      },
    }));
    const bundle: Bundle = { resourceType: "Bundle", type: "transaction", entry };
    await this.fetch("/fhir", { method: "POST", body: JSON.stringify(bundle) });
  }

  /** All pages of a search, one after another, up to a number of them that a screen can bear. */
  async all<T extends Resource>(
    type: T["resourceType"],
    params: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<T[]> {
    let page = await this.search<T>(type, params, signal);
    const found = [...page.found];
    for (let pages = 1; page.next !== undefined && pages < MOST_PAGES; pages += 1) {
      page = await this.page<T>(page.next, signal);
      found.push(...page.found);
    }
    return found;
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

  /**
   * Asks an operation, or has it done when it is given something to do it with.
   * <http://hl7.org/fhir/R4/operations.html>
   *
   * @param path such as `Patient/1/$person`, with its query if it has one
   */
  async operation<T extends Resource>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<T> {
    const body = parameters === undefined ? {} : { method: "POST", body: JSON.stringify(parameters) };
    return (await bodyOf(await this.fetch(`/fhir/${path}`, { ...body, signal }))) as T;
  }

  /**
   * Asks or tells what is not FHIR: runs and protocols, in plain JSON.
   *
   * @param path such as `/runs/1`, with its query if it has one
   */
  async json(method: "GET" | "POST", path: string, body?: object, signal?: AbortSignal): Promise<unknown> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init = { method, headers, signal, ...(body !== undefined && { body: JSON.stringify(body) }) };
    return bodyOf(await this.fetch(path, init));
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
    const headers: Record<string, string> = { Accept: FHIR_JSON, "X-Purpose-Of-Use": this.credentials.purpose };
    if (init.method !== undefined && init.method !== "GET") headers["X-CSRF-Token"] = this.credentials.csrf;
    if (init.body !== undefined) {
      headers["Content-Type"] = FHIR_JSON;
      headers["Prefer"] = "return=representation";
    }
    Object.assign(headers, init.headers);
    const { signal, ...rest } = init;
    const response = await ask(this.origin + path, { ...rest, headers, ...(signal && { signal }) }, isBounded);
    const behind = Date.parse(response.headers.get("Date") ?? "") - Date.now();
    if (!Number.isNaN(behind)) this.lag = Math.abs(behind) < ROUGH ? 0 : behind;
    // A stream that connects again by itself is nobody's doing, and keeps no session awake.
    if (isBounded) this.onAnswered();
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
