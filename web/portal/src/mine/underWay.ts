import type { RunMilestone, RunStep, RunView, Words } from "@qingshan/client";

/** Something that has happened, in words for the patient. */
export interface Happened {
  at: string;
  words: Words;
}

/** What there is to tell a patient of one of their runs. */
export interface Told {
  /** Newest first. */
  happened: Happened[];
  /** What waits for the patient themselves. */
  toDo: RunStep[];
  /** On whom it waits otherwise. */
  waiting: RunStep[];
  /** What is still to come about, in words for the patient. */
  ahead: Words[];
  /** When the clock that runs ends at the latest. */
  by: string | undefined;
  /** Whom to call, as a reference and a name. */
  contact: { reference: string; display: string | undefined } | undefined;
}

/** What is told of a run: only what has words for the patient, and whom it waits for. */
export function told(run: RunView, isPatients: (step: RunStep) => boolean): Told {
  const counts = ({ superseded, patient }: RunMilestone) => !superseded && patient !== undefined;
  const happened = run.milestones
    .filter(counts)
    .map((one) => ({ at: one.at, words: one.patient ?? {} }))
    // Of what came about at one moment, what followed from the other is newer.
    .reverse()
    .sort((left, right) => Date.parse(right.at) - Date.parse(left.at));
  const open = run.end === undefined ? run.steps.filter((step) => step.state === "ready" || step.state === "taken") : [];
  const toDo = open.filter(isPatients);
  const others = open.filter((step) => !isPatients(step));
  const held = others.filter((step) => run.blocking.includes(step.code));
  const waiting = held.length > 0 ? held : others;
  const running = run.clocks.filter((clock) => clock.stopped === undefined && clock.paused === undefined && clock.breach !== undefined);
  const by = run.end === undefined ? running.map((clock) => clock.breach ?? "").sort((a, b) => Date.parse(a) - Date.parse(b))[0] : undefined;
  const party = [run.owner?.party, ...waiting.map((step) => step.party)].find((one) => one?.reference.startsWith("Organization/"));
  const contact = party && { reference: party.reference, display: party.display ?? run.names?.[party.reference] };
  return { happened, toDo, waiting, ahead: (run.ahead ?? []).map((one) => one.title), by, contact };
}
