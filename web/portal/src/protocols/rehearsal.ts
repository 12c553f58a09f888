import type { Act, Rehearsal, Rehearsed, RunStep, RunView } from "@qingshan/client";

/** A rehearsal so far. Moments are milliseconds since 1970. */
export interface Script {
  began: number;
  now: number;
  class: string | undefined;
  facts: Readonly<Record<string, boolean>>;
  events: readonly { at: number; act: Act }[];
}

/** A rehearsal that begins at a moment, with every condition supposed to hold. */
export function begin(began: number, klass: string | undefined, conditions: readonly string[]): Script {
  return { began, now: began, class: klass, facts: Object.fromEntries(conditions.map((code) => [code, true])), events: [] };
}

/** What is asked of the service to play it. */
export function played(script: Script): Rehearsal {
  return {
    ...(script.class !== undefined && { class: script.class }),
    began: new Date(script.began).toISOString(),
    facts: { ...script.facts },
    events: script.events.map(({ at, act }) => ({ at: new Date(at).toISOString(), ...act })) as Rehearsal["events"],
    now: new Date(script.now).toISOString(),
  };
}

/** Something is done now. */
export const happened = (script: Script, act: Act): Script => ({
  ...script,
  events: [...script.events, { at: script.now, act }],
});

/** Time passes, in milliseconds; it never runs back. */
export const later = (script: Script, by: number): Script => ({ ...script, now: script.now + Math.max(0, by) });

/** The last thing that was done is undone, and the clock stands where it stood then. */
export function undone(script: Script): Script {
  const last = script.events.at(-1);
  return last === undefined ? { ...script, now: script.began } : { ...script, now: last.at, events: script.events.slice(0, -1) };
}

/** Something that happened in a rehearsal, as a line of its log. */
export interface Line {
  at: number;
  /** What somebody did, by its place among the events; `text` says why it was refused. */
  event?: number;
  refused?: string;
  /** Whom a milestone or a clock told. */
  told?: { roles: string[]; milestone?: string; clock?: string };
}

/** What was done and what was told, in the order of time, newest first. */
export function logOf(script: Script, run: Pick<Rehearsed, "told" | "refused"> | undefined): Line[] {
  const refused = new Map((run?.refused ?? []).map((one) => [one.event, one.text]));
  const done = script.events.map(({ at }, event): Line => {
    const text = refused.get(event);
    return { at, event, ...(text !== undefined && { refused: text }) };
  });
  const told = (run?.told ?? []).map(({ at, ...rest }): Line => ({ at: Date.parse(at), told: rest }));
  // What somebody did stands before what followed from it at the same moment.
  return [...done, ...told].sort((left, right) => left.at - right.at || Number(left.told !== undefined) - Number(right.told !== undefined)).reverse();
}

/** When the next point of any clock is due, in milliseconds since 1970. */
export function nextDue(run: RunView, now: number): number | undefined {
  const due = run.clocks
    .filter((clock) => clock.stopped === undefined)
    .flatMap((clock) => [clock.next, clock.target, clock.warn, clock.breach])
    .map((when) => (when === undefined ? Number.NaN : Date.parse(when)))
    .filter((moment) => moment > now);
  return due.length === 0 ? undefined : Math.min(...due);
}

/** What can be done about a step that is open: each of its outcomes, or simply doing it. */
export function waysOf(step: RunStep): { code: string | undefined; act: Act }[] {
  const at = { step: step.code, n: step.n };
  if ((step.acknowledgements ?? 0) > 0) return [{ code: "acknowledge", act: { deed: "acknowledge", ...at } }];
  const open = step.outcomes.filter((outcome) => outcome.left !== 0);
  if (step.outcomes.length === 0) return [{ code: undefined, act: { deed: "complete", ...at } }];
  return open.map((outcome) => ({ code: outcome.code, act: { deed: "complete", ...at, outcome: outcome.code } }));
}
