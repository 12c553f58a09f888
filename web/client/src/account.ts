import { Failure, failureOf, kindOf } from "./failure";
import type { When } from "./fhir";
import { ask, bodyOf } from "./request";

/** What somebody is at one institution, for a time: one `PractitionerRole` in force. */
export interface Post {
  /** The id of the `PractitionerRole`. */
  role: string;
  /** The id of the `Organization`. */
  organization: string;
  organizationName: string;
  /** Codes of `https://qingshan.dev/fhir/CodeSystem/duty`. */
  duties: string[];
  /** When it ends by itself, if it does. */
  until?: When;
}

/** Who is signed in at this browser, and as what. */
export interface Session {
  account: string;
  name: string;
  /** The id of the `Practitioner` who this is, for staff. */
  practitioner?: string;
  posts: Post[];
  /** The `role` of the post that is worn. */
  post?: string;
  /** For lay people, ids of the `Patient` resources that are they and of those they act for. */
  patients?: { own: string[]; charges: string[] };
  /** What a request that changes something carries to show that this page sent it. */
  csrf: string;
  /** Seconds without a request after which the session ends. */
  idleSeconds: number;
  /** When the session ends however busy it is. */
  expires: When;
  /** Whether this is a demonstration with an invented cast. */
  demo: boolean;
  /** Whether signing in asks for a code of an authenticator besides. */
  totp: boolean;
}

/** What came of an attempt to sign in. */
export type Attempt =
  | { kind: "in"; session: Session }
  /** The name or the password is wrong; which of them is not told. */
  | { kind: "wrong" }
  /** Both were right, and the account asks for the six digits of its authenticator besides. */
  | { kind: "totpNeeded" }
  /** Too many attempts failed. `retryAfter` is in seconds, when it is known. */
  | { kind: "locked"; retryAfter: number | undefined }
  /** The password is right and no longer good; another must be chosen first. */
  | { kind: "changePassword" };

/** One browser or program that is signed in as the same account. */
export interface OpenSession {
  id: string;
  /** Whether it is the one that asks. */
  current: boolean;
  began: When;
  seen: When;
  /** What the browser calls itself; empty when it does not. */
  agent: string;
  address: string;
}

/** An app that was let in and may still come. */
export interface LetIn {
  id: string;
  client: string;
  /** What the app is called. */
  name: string;
  scopes: string[];
  /** The id of the `Patient` it was let in for, if it was for one. */
  patient?: string;
  began: string;
  ends: string;
}

/** What came of choosing another password. */
export type PasswordChange =
  | { kind: "changed"; session: Session }
  /** The old one is wrong. */
  | { kind: "wrong" }
  /** The new one breaks the policy. */
  | { kind: "weak"; problem: "length" | "classes" | "login" | "same"; length: number; classes: number }
  | { kind: "locked"; retryAfter: number | undefined };

/** Somebody whom a demonstration lets one be with one press. */
export interface CastMember {
  login: string;
  name: string;
  posts: Post[];
  patients?: { own: string[]; charges: string[] };
}

/** Another institution's door through which one may sign in. <https://openid.net/specs/openid-connect-core-1_0.html> */
export interface Provider {
  name: string;
  title: string;
}

/** What an app asks to be let in for. <http://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html> */
export interface AppRequest {
  client: string;
  /** What the app is called. */
  name: string;
  scopes: string[];
  /** The `Patient` it was started for. */
  patient?: string;
  /** Whether whoever lets it in says for which patient. */
  needsPatient: boolean;
  /** Of lay people, the `Patient` ids they may name. */
  patients?: string[];
}

/**
 * Signing in and out, and what concerns the account rather than the record. Every method throws {@link Failure} and
 * nothing else.
 *
 * @param origin where the service is, without a trailing slash; it is at `/auth` on it
 */
export class Account {
  constructor(private readonly origin: string) {}

  /**
   * Who is signed in, or nothing.
   *
   * @param isPeek whether a page asks by itself; asking for a person keeps their session from ending for idleness
   */
  async session(isPeek: boolean): Promise<Session | undefined> {
    const response = await ask(`${this.origin}/auth/session${isPeek ? "?peek" : ""}`, { cache: "no-store" });
    if (response.status === 401) return undefined;
    return (await this.good(response)) as Session;
  }

  async signIn(login: string, password: string, totp?: string): Promise<Attempt> {
    return this.attempt("/auth/sign-in", { login, password, ...(totp !== undefined && { totp }) });
  }

  /** Signs in as one of the cast of a demonstration. */
  async signInAs(login: string): Promise<Attempt> {
    return this.attempt("/auth/demo", { login });
  }

  /** Ends the session of this browser. */
  async signOut(csrf: string): Promise<void> {
    const response = await this.send("POST", "/auth/sign-out", {}, csrf);
    if (!response.ok && response.status !== 401) throw await failureOf(response);
  }

  /** Puts on another post; `role` is one of the session's own. */
  async choose(role: string, csrf: string): Promise<Session> {
    const response = await this.send("POST", "/auth/post", { role }, csrf);
    return (await this.good(response)) as Session;
  }

  /**
   * Chooses another password, which signs in anew and ends all other sessions of the account. Before signing in, when
   * the old one is no longer good, the login stands for the session.
   */
  async changePassword(
    change: { old: string; new: string; login?: string; totp?: string },
    csrf: string | undefined,
  ): Promise<PasswordChange> {
    const response = await this.send("POST", "/auth/password", change, csrf);
    if (response.ok) return { kind: "changed", session: (await bodyOf(response)) as Session };
    type Said = { code?: string; problem?: "length" | "classes" | "login" | "same"; length?: number; classes?: number; retryAfter?: number };
    const said = ((await response.json().catch(() => undefined)) ?? {}) as Said;
    if (said.code === "wrong" || said.code === "totp-needed") return { kind: "wrong" };
    if (said.code === "locked") return { kind: "locked", retryAfter: said.retryAfter };
    if (said.code === "weak") {
      const { problem = "length", length = 0, classes = 0 } = said;
      return { kind: "weak", problem, length, classes };
    }
    throw new Failure(kindOf(response.status), response.status);
  }

  /** Every session of this account that is open. */
  async sessions(): Promise<OpenSession[]> {
    const response = await ask(`${this.origin}/auth/sessions`, { cache: "no-store" });
    return ((await this.good(response)) as { sessions: OpenSession[] }).sessions;
  }

  /** Ends one of them. */
  async end(id: string, csrf: string): Promise<void> {
    const response = await this.send("DELETE", `/auth/sessions/${encodeURIComponent(id)}`, undefined, csrf);
    if (!response.ok && response.status !== 404) throw await failureOf(response);
  }

  /** The apps that this account let in. */
  async letIn(): Promise<LetIn[]> {
    const response = await ask(`${this.origin}/auth/sessions`, { cache: "no-store" });
    return ((await this.good(response)) as { apps: LetIn[] }).apps;
  }

  /** Shuts one of them out again. */
  async shutOut(id: string, csrf: string): Promise<void> {
    const response = await this.send("DELETE", `/auth/allowed/${encodeURIComponent(id)}`, undefined, csrf);
    if (!response.ok && response.status !== 404) throw await failureOf(response);
  }

  /** The cast of a demonstration; nobody where this is none. */
  async cast(): Promise<CastMember[]> {
    return ((await this.optional("/auth/demo")) as { accounts: CastMember[] } | undefined)?.accounts ?? [];
  }

  /** The doors of other institutions that are open here. */
  async providers(): Promise<Provider[]> {
    return ((await this.optional("/auth/oidc")) as { providers: Provider[] } | undefined)?.providers ?? [];
  }

  /**
   * Where signing in through another institution's door begins.
   *
   * @param to the path on this service to come back to
   */
  startAt(provider: Provider, to: string): string {
    return `${this.origin}/auth/oidc/${encodeURIComponent(provider.name)}/start?${new URLSearchParams({ to }).toString()}`;
  }

  /**
   * Begins a second factor: a secret for an authenticator, which holds once a code of it was confirmed. Nothing when the
   * password was wrong.
   */
  async beginSecondFactor(password: string, csrf: string): Promise<{ secret: string; uri: string } | undefined> {
    const response = await this.send("POST", "/auth/totp", { step: "begin", password }, csrf);
    if (!(await this.proven(response.clone()))) return undefined;
    return (await bodyOf(response)) as { secret: string; uri: string };
  }

  /** Confirms the second factor by a code of it; says whether the code was right. */
  async confirmSecondFactor(code: string, csrf: string): Promise<boolean> {
    return this.proven(await this.send("POST", "/auth/totp", { step: "confirm", code }, csrf));
  }

  /** Gives the second factor up; says whether the password was right. */
  async removeSecondFactor(password: string, csrf: string): Promise<boolean> {
    return this.proven(await this.send("POST", "/auth/totp", { step: "remove", password }, csrf));
  }

  private async proven(response: Response): Promise<boolean> {
    if (response.ok) return true;
    const failure = await failureOf(response.clone());
    const said = (await response.json().catch(() => undefined)) as { code?: string } | undefined;
    if (said?.code === "wrong") return false;
    throw failure;
  }

  /** What an app asks for, by the name the address gives it. */
  async request(id: string): Promise<AppRequest> {
    const response = await ask(`${this.origin}/auth/authorize/${encodeURIComponent(id)}`, { cache: "no-store" });
    return (await this.good(response)) as AppRequest;
  }

  /** Lets an app in or not, and gives the address it waits at. */
  async answer(id: string, answer: { allow: boolean; patient?: string }, csrf: string): Promise<string> {
    const response = await this.send("POST", `/auth/authorize/${encodeURIComponent(id)}`, answer, csrf);
    return ((await this.good(response)) as { to: string }).to;
  }

  private async attempt(path: string, body: object): Promise<Attempt> {
    const response = await this.send("POST", path, body);
    if (response.ok) return { kind: "in", session: (await bodyOf(response)) as Session };
    const said = (await response.json().catch(() => undefined)) as { code?: string; retryAfter?: number } | undefined;
    if (response.status === 401) return { kind: said?.code === "totp-needed" ? "totpNeeded" : "wrong" };
    if (response.status === 409) return { kind: "changePassword" };
    if (response.status === 423) {
      const header = Number(response.headers.get("Retry-After") ?? Number.NaN);
      return { kind: "locked", retryAfter: said?.retryAfter ?? (Number.isFinite(header) ? header : undefined) };
    }
    throw new Failure(kindOf(response.status), response.status);
  }

  private send(method: string, path: string, body?: object, csrf?: string): Promise<Response> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (csrf !== undefined) headers["X-CSRF-Token"] = csrf;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    // Whoever signs out and leaves at once is signed out all the same.
    return ask(this.origin + path, { method, headers, keepalive: true, ...(body !== undefined && { body: JSON.stringify(body) }) });
  }

  /** What stands at an address that not every service has. */
  private async optional(path: string): Promise<unknown> {
    const response = await ask(this.origin + path, {});
    return response.status === 404 ? undefined : this.good(response);
  }

  private async good(response: Response): Promise<unknown> {
    if (!response.ok) throw await failureOf(response);
    return bodyOf(response);
  }
}
