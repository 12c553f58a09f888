import type { Patient, Post, Resource, Service, Session, Task } from "@qingshan/client";
import type { Points } from "../runs/clock";

/** What marks the Tasks of runs: `root` for a run, `step` for something to be done in it. */
export const RUN = "https://qingshan.dev/fhir/CodeSystem/run";
export const PROTOCOL = "https://qingshan.dev/fhir/CodeSystem/protocol";
const STEP = "https://qingshan.dev/fhir/CodeSystem/step";
const DUTY = "https://qingshan.dev/fhir/CodeSystem/duty";

/** Names who is at a step or did it, which is not always whom it is assigned to. */
const BY = "https://qingshan.dev/fhir/StructureDefinition/run-by";

/** Whose work a list shows. */
export const scopes = ["mine", "team", "institution"] as const;
export type Scope = (typeof scopes)[number];

export const priorities = ["stat", "asap", "urgent", "routine"] as const;
export type Priority = (typeof priorities)[number];

/** What a list is narrowed to. */
export interface Narrowing {
  /** The code of a protocol. */
  protocol?: string;
  priority?: Priority;
}

/** Something that is to be done. */
export interface Row {
  task: Task;
  patient: Patient | undefined;
  /** The run it is part of. */
  root: Task | undefined;
  /** The code of its protocol. */
  protocol: string;
  /** Who has taken it, as a reference. */
  taker: string | undefined;
  clock: Points;
}

/** Who is meant by "mine" or "my institution's", as references. Empty means that there is nobody of that kind. */
export function ownersOf(
  scope: Scope,
  session: Pick<Session, "practitioner"> & { post: Pick<Post, "role" | "organization"> | undefined },
  known: { teams: readonly string[]; departments: readonly string[] },
): string[] {
  if (scope === "team") return known.teams.map((id) => `CareTeam/${id}`);
  if (scope === "institution") {
    const own = session.post === undefined ? [] : [session.post.organization];
    return [...own, ...known.departments].map((id) => `Organization/${id}`);
  }
  const post = session.post === undefined ? [] : [`PractitionerRole/${session.post.role}`];
  return session.practitioner === undefined ? post : [...post, `Practitioner/${session.practitioner}`];
}

/** What is heard about on the stream: everything open of those owners, whatever the list is narrowed to. */
export function criteria(owners: readonly string[], duties: readonly string[] | undefined): Record<string, string> {
  const performer = duties?.map((duty) => `${DUTY}|${duty}`).join(",");
  return {
    _tag: `${RUN}|step`,
    status: "ready,in-progress",
    owner: owners.join(","),
    ...(performer && { performer }),
  };
}

/** What is read: the next to break first. */
export function search(
  owners: readonly string[],
  duties: readonly string[] | undefined,
  { protocol, priority }: Narrowing,
): URLSearchParams {
  const params = new URLSearchParams(criteria(owners, duties));
  if (protocol !== undefined) params.set("part-of:Task.code", `${PROTOCOL}|${protocol}`);
  if (priority !== undefined) params.set("priority", priority);
  params.set("_sort", "due");
  // What a row does not show need not travel to it: a run carries all that has happened to it.
  params.set("_elements", "code,status,priority,for,partOf,owner,performerType,authoredOn,restriction,extension");
  return params;
}

/** Reads what Tasks are about: their patients and the runs they are part of, in one request. */
export async function withRuns(service: Service, tasks: readonly Task[], signal: AbortSignal): Promise<Row[]> {
  const ids = (references: (string | undefined)[], type: string) =>
    [...new Set(references.map((one) => one?.replace(`${type}/`, "")).filter((id) => id !== undefined))].join(",");
  const people = ids(tasks.map((task) => task.for?.reference), "Patient");
  const roots = ids(tasks.map((task) => task.partOf?.[0]?.reference), "Task");
  const asked = [
    ...(people === "" ? [] : [`/fhir/Patient?_id=${people}&_count=200&_elements=name,gender,birthDate,deceased`]),
    ...(roots === "" ? [] : [`/fhir/Task?_id=${roots}&_count=200&_elements=code,status,businessStatus,requester,owner,input`]),
  ];
  const answers = asked.length === 0 ? [] : await service.pages(asked, signal);
  return rowsOf(tasks, answers.flatMap((answer) => ("page" in answer ? answer.page.found : [])));
}

/** The rows of Tasks, each with its patient and its run as far as they are among the others. */
export function rowsOf(tasks: readonly Task[], others: readonly Resource[]): Row[] {
  const included = new Map(others.map((resource) => [`${resource.resourceType}/${resource.id}`, resource]));
  return tasks.map((task) => {
    const code = task.code?.coding?.find((coding) => coding.system === STEP)?.code ?? "";
    const { start, end } = task.restriction?.period ?? {};
    return {
      task,
      patient: included.get(task.for?.reference ?? "") as Patient | undefined,
      root: included.get(task.partOf?.[0]?.reference ?? "") as Task | undefined,
      protocol: code.slice(0, Math.max(0, code.indexOf("."))),
      taker: takerOf(task),
      clock: { ...(start !== undefined && { warn: start }), ...(end !== undefined && { breach: end }) },
    };
  });
}

/** Who has taken a step, while it is not done. */
export function takerOf({ status, extension }: Task): string | undefined {
  if (status !== "in-progress") return undefined;
  return extension?.find((one) => one.url === BY)?.valueString;
}

/** Of what a search for my work found, what is really mine: assigned to me, or taken by me from those I act for. */
export function own(rows: readonly Row[], holders: readonly string[]): Row[] {
  return rows.filter(({ task, taker }) => holders.includes(task.owner?.reference ?? "") || holders.includes(taker ?? ""));
}

/** By the clock that breaks first; of what has no clock the gravest, then the longest waiting first. */
export function sorted(rows: readonly Row[]): Row[] {
  const due = ({ clock }: Row) => (clock.breach === undefined ? Number.POSITIVE_INFINITY : Date.parse(clock.breach));
  const gravity = ({ task }: Row) => {
    const place = priorities.indexOf((task.priority ?? "routine") as Priority);
    return place === -1 ? priorities.length : place;
  };
  const since = ({ task }: Row) => Date.parse(task.authoredOn ?? "") || 0;
  const order = (left: Row, right: Row) => {
    const [one, other] = [due(left), due(right)];
    if (one !== other) return one < other ? -1 : 1;
    return gravity(left) - gravity(right) || since(left) - since(right);
  };
  return [...rows].sort(order);
}

/** A list as it stands on a screen. */
export interface Shown {
  rows: Row[];
  /** Ids of rows that stay where they were though they are no longer to be done. */
  gone: ReadonlySet<string>;
  /** How many new ones wait to be shown. */
  waiting: number;
}

/**
 * What a list shows next. While somebody points at it nothing moves: rows stay where they are and show what became of
 * them, and new ones wait. Otherwise it is sorted anew.
 */
export function next(shown: Shown, rows: readonly Row[], isHeld: boolean): Shown {
  if (!isHeld || shown.rows.length === 0) return { rows: sorted(rows), gone: new Set(), waiting: 0 };
  const fresh = new Map(rows.map((row) => [row.task.id ?? "", row]));
  const standing = new Set(shown.rows.map((row) => row.task.id ?? ""));
  return {
    rows: shown.rows.map((row) => fresh.get(row.task.id ?? "") ?? row),
    gone: new Set([...standing].filter((id) => !fresh.has(id))),
    waiting: rows.filter((row) => !standing.has(row.task.id ?? "")).length,
  };
}

/** Pages of a list after some Tasks changed, of which those that still belong to it were read anew. */
export function patched<P extends { rows: Row[] }>(pages: readonly P[], changed: ReadonlySet<string>, fresh: readonly Row[]): P[] {
  return pages.map((page, place) => {
    const kept = page.rows.filter((row) => !changed.has(row.task.id ?? ""));
    return { ...page, rows: place === 0 ? [...fresh, ...kept] : kept };
  });
}
