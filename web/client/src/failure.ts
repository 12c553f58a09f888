import type { OperationOutcome } from "./fhir";

/**
 * What a person can do about a request that was not answered as asked:
 *
 * - `offline`: nobody answered; the same request may succeed later
 * - `busy`: somebody answered, but cannot now; the same request may succeed later
 * - `signedOut`: sign in again
 * - `refused`: this caller may not
 * - `missing`: there is no such thing, or it was deleted
 * - `invalid`: what was sent must be corrected
 * - `conflict`: somebody else changed it meanwhile; read it again
 * - `fault`: the service is at fault
 */
export type FailureKind =
  | "offline"
  | "busy"
  | "signedOut"
  | "refused"
  | "missing"
  | "invalid"
  | "conflict"
  | "fault";

/** The one error of this package. Its message is for people who develop; screens choose their words by `kind`. */
export class Failure extends Error {
  /** What the service said about it, each with the place it is about, if it said so. */
  readonly issues: readonly { text: string; at?: string }[];

  constructor(
    readonly kind: FailureKind,
    readonly status: number | undefined,
    outcome?: Partial<OperationOutcome>,
  ) {
    const issues = (outcome?.issue ?? []).map((issue) => {
      const text = issue.details?.text ?? issue.diagnostics ?? issue.code;
      const at = issue.expression?.[0];
      return at === undefined ? { text } : { text, at };
    });
    super(issues[0]?.text ?? (status === undefined ? kind : `${kind} (${status})`));
    this.name = "Failure";
    this.issues = issues;
  }
}

/** The kind of failure an HTTP status means. */
export function kindOf(status: number): FailureKind {
  if (status === 401) return "signedOut";
  if (status === 403) return "refused";
  if (status === 404 || status === 410) return "missing";
  if (status === 409 || status === 412) return "conflict";
  if (status === 429 || status === 502 || status === 503 || status === 504) return "busy";
  return status < 500 ? "invalid" : "fault";
}

/** The failure in an answer, with what its OperationOutcome says when it holds one. */
export async function failureOf(response: Response): Promise<Failure> {
  const body: unknown = await response.json().catch(() => undefined);
  const isOutcome = typeof body === "object" && body !== null && "issue" in body;
  return new Failure(kindOf(response.status), response.status, isOutcome ? (body as OperationOutcome) : undefined);
}
