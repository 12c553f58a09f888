import type { ClockLevel, Observation, Patient, Protocol, RunClock, RunStep, RunView, Words } from "@qingshan/client";
import { levelAt, mostUrgent } from "../runs/clock";
import { latest, reachedBy, standing } from "../runs/graph";
import { expectedOf, liftedAt, positionOf, reckonedOf, type Way } from "../runs/position";
import { SENT, UPDATED } from "../runs/warning";

/** The milestone by which a protocol says that its runs belong on a board: the patient is at the door. */
export const DOOR = "door";

/** What the same is called where a case begins before anybody knows which door it will be. */
const ARRIVED = "arrived";

/** The line of a run's summary that says what is suspected: the code of a protocol, or words. */
export const SUSPECTED = "suspected";

/** The line of a run's summary that says when the patient is expected at the door, as an instant. */
const EXPECTED = "eta";

/** The business status of a run whose patient came by themselves and is in the house, though nobody registered them yet. */
const HERE = "here";

/** Marks a person who was made up for a drill. <http://hl7.org/fhir/R4/v3/ActReason/cs.html#v3-ActReason-HTEST> */
export const DRILL = { system: "http://terminology.hl7.org/CodeSystem/v3-ActReason", code: "HTEST" };

/** One run on a board, whom it is for, and how far what is known of it can be relied on. */
export interface Watched {
  run: RunView;
  patient: Patient | undefined;
  /** When the run was read, in milliseconds since 1970. */
  readAt: number;
  /** Since when something has happened to it that was not read yet, in milliseconds since 1970; nothing where all of it was. */
  oldSince?: number | undefined;
}

/** One patient on a board: all open runs of one chain, the one whose clock breaks first before the others. */
export interface Case {
  chain: string;
  runs: readonly RunView[];
  patient: Patient | undefined;
  /** When the run that was read first of them was read, in milliseconds since 1970. */
  readAt: number;
  /** Since when something has happened to one of them that was not read yet. */
  oldSince: number | undefined;
}

/** Whether runs of a protocol belong on a board. */
export function isOnBoard({ milestone, summary }: Pick<Protocol, "milestone" | "summary">): boolean {
  return (milestone ?? []).some(({ code }) => code === DOOR) || (summary ?? []).some(({ code }) => code === EXPECTED);
}

/**
 * Runs as cases: what belongs together for one patient is one of them. A case that is as it was before stays the same
 * object, so that a change of one run is a change of one row.
 */
export function casesOf(watched: Iterable<Watched>, before: readonly Case[] = []): readonly Case[] {
  const chains = new Map<string, Watched[]>();
  for (const one of watched) {
    // Runs are told apart by their patients too, so that two people never stand in one row.
    const name = `${one.run.chain} ${one.run.patient?.reference ?? ""}`;
    const own = chains.get(name);
    if (own === undefined) chains.set(name, [one]);
    else own.push(one);
  }
  const known = new Map(before.map((one) => [one.chain, one]));
  const cases = [...chains].map(([chain, all]) => {
    const since = all.map(({ oldSince }) => oldSince).filter((one) => one !== undefined);
    const made: Case = {
      chain,
      runs: all.map(({ run }) => run).sort((left, right) => (dueOf(left) === dueOf(right) ? Date.parse(right.began) - Date.parse(left.began) : dueOf(left) - dueOf(right))),
      patient: all.find(({ patient }) => patient !== undefined)?.patient,
      readAt: Math.min(...all.map(({ readAt }) => readAt)),
      oldSince: since.length === 0 ? undefined : Math.min(...since),
    };
    const old = known.get(chain);
    if (old === undefined) return made;
    const runs = isSameList(old.runs, made.runs) ? old.runs : made.runs;
    const isSame = runs === old.runs && old.patient === made.patient && old.readAt === made.readAt && old.oldSince === made.oldSince;
    return isSame ? old : { ...made, runs };
  });
  return isSameList(before, cases) ? before : cases;
}

const isSameList = <T>(one: readonly T[], other: readonly T[]): boolean => one.length === other.length && one.every((each, place) => each === other[place]);

/** When the clock of a run that breaks first does, in milliseconds since 1970. */
function dueOf(run: RunView): number {
  const due = Date.parse(mostUrgent(openClocks([run]))?.breach ?? "");
  return Number.isNaN(due) ? Number.MAX_SAFE_INTEGER : due;
}

/** The runs that say what a case is about: pathways rather than the case they are steps of. */
export function pathwaysOf({ runs }: Pick<Case, "runs">): RunView[] {
  const parents = new Set(runs.map(({ parent }) => parent?.run));
  return runs.filter(({ id }) => !parents.has(id));
}

/** Whether a case is a drill and nobody is ill. */
export function isDrill({ patient }: Pick<Case, "patient">): boolean {
  const security = (patient?.meta as { security?: { system?: string; code?: string }[] } | undefined)?.security ?? [];
  return security.some(({ system, code }) => system === DRILL.system && code === DRILL.code);
}

/** What is suspected of a run, as its summary has it. */
export function suspectedOf({ summary }: RunView): string | undefined {
  return summary.find(({ code }) => code === SUSPECTED)?.value;
}

/** What was last told from the road, in milliseconds since 1970. */
export interface Road {
  /** When the vehicle last said where it is. */
  position?: number;
  /** For when the patient was last expected by an observation, and when that was said. */
  expected?: { at: number; said: number };
  /** When the vehicle arrives as worked out from where it was, when it was there, and by which way. */
  reckoned?: Reckoned;
  /** When the crew last took back what it had said. */
  lifted?: number;
}

/** When a vehicle arrives by where it was at some moment. */
export interface Reckoned {
  at: number;
  said: number;
  way: Way;
}

/**
 * Where the patient is: in the house since a moment, expected at one, or neither is known. What is expected was said at
 * some moment too, if that is known; or it was worked out, by a way. What was worked out stands beside what was said.
 */
export type Place =
  | { kind: "door"; since: number }
  | { kind: "here"; since: number }
  | { kind: "coming"; at: number; said: number | undefined; way?: Way; beside?: Reckoned }
  | { kind: "unknown" };

/**
 * Where the patient of these runs is. Of two who say when they are expected whoever said it later is believed. What is
 * worked out from where the vehicle is takes the place of the guess that was sent first, and of what a crew took back; what
 * a crew says otherwise stands.
 */
export function placeOf(runs: readonly RunView[], road: Road = {}): Place {
  const doors = runs.map((run) => standing(run, DOOR) ?? standing(run, ARRIVED)).filter((door) => door !== undefined);
  if (doors.length > 0) return { kind: "door", since: Math.min(...doors.map(({ at }) => Date.parse(at))) };
  const told = runs.flatMap(({ summary }) => summary.filter(({ code }) => code === EXPECTED));
  const at = told.map(({ value }) => Date.parse(value)).find((moment) => !Number.isNaN(moment));
  const here = runs.find(({ status }) => status === HERE);
  if (at === undefined && here !== undefined) return { kind: "here", since: Date.parse(here.began) };
  const warned = runs.flatMap((run) => [SENT, UPDATED].map((code) => Date.parse(standing(run, code)?.at ?? ""))).filter((moment) => !Number.isNaN(moment));
  const said = warned.length > 0 ? Math.max(...warned) : undefined;
  const { expected, reckoned, lifted } = road;
  const isBySaying = expected !== undefined && (at === undefined || expected.at === at || said === undefined || expected.said > said);
  const known = isBySaying ? expected : at === undefined ? undefined : { at, said };
  const isGuess = !isBySaying && runs.every((run) => standing(run, UPDATED) === undefined);
  const isLifted = lifted !== undefined && (known?.said === undefined || known.said <= lifted);
  if (reckoned !== undefined && (known === undefined || isGuess || isLifted)) return { kind: "coming", ...reckoned };
  return known === undefined ? { kind: "unknown" } : { kind: "coming", ...known, ...(reckoned !== undefined && { beside: reckoned }) };
}

/** The newest of what was told of each patient. */
export function roadsOf(observations: readonly Observation[]): Map<string, Road> {
  const by = new Map<string, Observation[]>();
  for (const one of observations) {
    const of = one.subject?.reference ?? "";
    by.set(of, [...(by.get(of) ?? []), one]);
  }
  return new Map(
    [...by].map(([patient, all]): [string, Road] => {
      const position = positionOf(all)?.at;
      const [expected, reckoned, lifted] = [expectedOf(all), reckonedOf(all), liftedAt(all)];
      return [
        patient,
        {
          ...(position !== undefined && { position }),
          ...(expected !== undefined && { expected: { at: Date.parse(expected.eta), said: expected.at } }),
          ...(reckoned !== undefined && { reckoned: { at: Date.parse(reckoned.eta), said: reckoned.at, way: reckoned.way } }),
          ...(lifted !== undefined && { lifted }),
        },
      ];
    }),
  );
}

/** Clocks that were picked out before: a board asks for those of every row each second. */
const picked = new WeakMap<readonly RunView[], readonly RunClock[]>();

/** The clocks of runs that go on or are held, the one that breaks first before the others. */
export function openClocks(runs: readonly RunView[]): readonly RunClock[] {
  const known = picked.get(runs);
  if (known !== undefined) return known;
  const due = ({ breach, paused }: RunClock) =>
    breach === undefined || paused !== undefined ? Number.POSITIVE_INFINITY : Date.parse(breach);
  const open = runs.flatMap(({ clocks }) => clocks).filter((clock) => clock.stopped === undefined && clock.cut !== true);
  open.sort((left, right) => (due(left) === due(right) ? 0 : due(left) < due(right) ? -1 : 1));
  picked.set(runs, open);
  return open;
}

/** How grave the worst of the clocks is. */
export function worstOf(runs: readonly RunView[], now: number): ClockLevel | undefined {
  const order: ClockLevel[] = ["breach", "warn", "target", "running", "held"];
  const levels = openClocks(runs).map((clock) => levelAt(clock, now));
  return order.find((level) => levels.includes(level));
}

const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken" || state === "unknown";

/** The open steps without which a clock cannot stop: those that stop it, and those that these wait for. */
export function holding(protocol: Protocol | undefined, run: RunView, clock: RunClock): RunStep[] {
  const found = new Map<string, RunStep>();
  const seen = new Set<string>();
  const visit = (milestones: readonly string[]) => {
    for (const code of milestones) {
      if (seen.has(code)) continue;
      seen.add(code);
      for (const made of protocol?.step ?? []) {
        const step = reachedBy(made).includes(code) ? latest(run, made.code)?.step : undefined;
        if (step === undefined) continue;
        if (isOpen(step)) found.set(step.code, step);
        else if (step.state === "waiting") visit(step.missing);
      }
    }
  };
  visit(clock.to);
  return [...found.values()];
}

/** What is to be done next in a run, by whom, and what holds it up. */
export interface Next {
  step: RunStep | undefined;
  /** Every open step on which the clock that breaks first hangs; without such a clock, on which the end does. */
  blocking: RunStep[];
}

/** What is to be done next in a case: in the run whose clock breaks first, and otherwise in any. */
export function nextIn({ runs }: Pick<Case, "runs">, protocolOf: (run: RunView) => Protocol | undefined): Next {
  const all = runs.map((run) => nextOf(protocolOf(run), run));
  return all.find(({ step }) => step !== undefined) ?? { step: undefined, blocking: [] };
}

/** What is to be done next: of what the clock that breaks first hangs on, what has waited longest. */
export function nextOf(protocol: Protocol | undefined, run: RunView): Next {
  const urgent = mostUrgent(openClocks([run]));
  const held = urgent === undefined ? [] : holding(protocol, run, urgent);
  const rest = run.blocking.map((code) => latest(run, code)?.step).filter((step) => step !== undefined && isOpen(step));
  const blocking = held.length > 0 ? held : rest.filter((step) => step !== undefined);
  // Nobody is waited for but whoever can do something now; a step that others acknowledge comes after one that is done.
  const since = (step: RunStep) => Date.parse(step.since ?? "") || Number.POSITIVE_INFINITY;
  const rank = (step: RunStep) => (step.state === "unknown" ? 2 : (step.acknowledgements ?? 0) > 0 ? 1 : 0);
  const [step] = [...blocking].sort((left, right) => rank(left) - rank(right) || (since(left) < since(right) ? -1 : 1));
  return { step, blocking };
}

/** How many of a team have answered. */
export interface Team {
  /** What they answer; nothing when there are several things. */
  title: Words | undefined;
  answered: number;
  wanted: number;
  /** Each role that is to answer: who has, and whether more are waited for. */
  roles: { title: Words | undefined; by: string[]; waits: boolean }[];
}

/** Of the steps that several must acknowledge: how many have, and how many there are to be. */
export function teamOf(runs: readonly RunView[]): Team | undefined {
  const steps = runs.flatMap((run) => run.steps).filter(
    ({ acknowledgements, task, state, optional }) =>
      (acknowledgements ?? 0) > 0 && task !== undefined && state !== "cancelled" && optional !== true,
  );
  const [first] = steps;
  if (first === undefined) return undefined;
  const names: Readonly<Record<string, string>> = Object.assign({}, ...runs.map((run) => run.names ?? {}));
  const sum = (count: (step: RunStep) => number) => steps.reduce((total, step) => total + count(step), 0);
  const wanted = (step: RunStep) => step.acknowledgements ?? 0;
  return {
    title: new Set(steps.map(({ code }) => code)).size > 1 ? undefined : first.title,
    answered: sum((step) => Math.min(wanted(step), (step.acknowledged ?? []).length)),
    wanted: sum(wanted),
    roles: steps.map((step) => {
      const seen = step.acknowledged ?? [];
      return { title: step.role?.title, by: seen.map(({ by }) => names[by] ?? by), waits: seen.length < wanted(step) };
    }),
  };
}

/** What waits for somebody's answer, each by a name of its own. */
export function calledIn(cases: readonly Case[]): string[] {
  const waits = ({ acknowledgements, acknowledged, paged, state }: RunStep) =>
    ((acknowledgements ?? 0) > (acknowledged ?? []).length && (state === "ready" || state === "taken")) || (paged === true && state === "ready");
  return cases.flatMap(({ runs }) => runs).flatMap((run) => run.steps.filter(waits).map(({ code, n }) => `${run.id}/${code}/${n}`));
}

/** What breaks first stands first; a drill stands below everybody who is ill. */
export function sorted(cases: readonly Case[]): Case[] {
  const placed = cases.map((one) => {
    const breach = Date.parse(mostUrgent(openClocks(one.runs))?.breach ?? "");
    const due = Number.isNaN(breach) ? Number.POSITIVE_INFINITY : breach;
    return { one, due, drill: Number(isDrill(one)), began: Math.min(...one.runs.map((run) => Date.parse(run.began))) };
  });
  placed.sort((left, right) => left.drill - right.drill || (left.due === right.due ? left.began - right.began : left.due < right.due ? -1 : 1));
  return placed.map(({ one }) => one);
}

/**
 * The order of a board while somebody points at it: rows stay where they were, so that nobody opens another patient than
 * the one they saw; who has gone leaves an empty place, and who has come stands below.
 */
export function heldStill(held: readonly string[], cases: readonly Case[]): (Case | { gone: string })[] {
  const here = new Map(cases.map((one) => [one.chain, one]));
  const stood = new Set(held);
  return [...held.map((chain) => here.get(chain) ?? { gone: chain }), ...cases.filter(({ chain }) => !stood.has(chain))];
}

/** How many of the cases that are no drills stand at each level, and how many drills there are. */
export interface Count {
  all: number;
  breach: number;
  warn: number;
  drills: number;
}

/** Counts cases for the head of a board. */
export function count(cases: readonly Case[], now: number): Count {
  const real = cases.filter((one) => !isDrill(one));
  const at = (level: ClockLevel) => real.filter(({ runs }) => worstOf(runs, now) === level).length;
  return { all: real.length, breach: at("breach"), warn: at("warn"), drills: cases.length - real.length };
}

/** The institutions that take part in a case, as references. */
export function partiesOf({ runs }: Case): Set<string> {
  const parties = runs.flatMap((run) => [run.owner?.party, ...run.steps.map(({ party }) => party)]);
  return new Set(parties.map((party) => party?.reference).filter((one) => one?.startsWith("Organization/") === true) as string[]);
}

/** Which cases stand on a page, when so many fit on one. */
export function pageOf<T>(cases: readonly T[], fit: number, page: number): { shown: readonly T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(cases.length / Math.max(1, fit)));
  const current = ((page % pages) + pages) % pages;
  return { shown: cases.slice(current * fit, (current + 1) * fit), page: current, pages };
}

/** What tells people apart whom nobody has identified yet: the end of the id of the run they came with, for the ear. */
export const markOf = (run: string): string => run.replace(/-/g, "").slice(-3).toUpperCase();

/** A name as it may stand on a wall in a corridor: the family name, or what is known of it, and a star. */
export function shortened(name: string, family: string | undefined): string {
  if (family !== undefined && family !== "" && name.startsWith(family)) return `${family}*`;
  const [first = ""] = name;
  return `${first}*`;
}
