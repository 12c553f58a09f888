import type { Communication, RunView, Words } from "@qingshan/client";

/** How far a warning has come. */
export interface Stage {
  stage: "sent" | "delivered" | "read" | "accepted";
  at?: string | undefined;
  /** Who, as a reference. */
  by?: string | undefined;
  /** What they said. */
  said?: Words | undefined;
  /** They declined. */
  isNo?: boolean;
}

/**
 * How far a warning has come: sent and delivered once the record has it, for the messages to those it is for are written
 * in the same transaction; read when one of them was opened or somebody took a step on; accepted when somebody else than
 * who sent it has done the first step.
 *
 * @param sent when the record confirmed it
 */
export function stagesOf(sent: string | undefined, run: RunView | undefined, messages: readonly Communication[] | undefined): Stage[] {
  const theirs = (run?.steps ?? []).filter(({ task }) => task !== undefined);
  const done = theirs
    .filter(({ state, by, ended }) => state === "done" && by !== undefined && ended !== undefined)
    .sort((left, right) => Date.parse(left.ended ?? "") - Date.parse(right.ended ?? ""))[0];
  const seen = theirs.flatMap(({ acknowledged = [] }) => acknowledged).sort((left, right) => Date.parse(left.at) - Date.parse(right.at))[0];
  const taken = theirs.find(({ state }) => state === "taken");
  const opened = (messages ?? []).some(({ status }) => status === "completed");
  const read =
    seen ?? (done && { at: done.ended, by: done.by }) ?? (taken && { at: run?.now, by: taken.by }) ?? (opened ? { at: run?.now, by: undefined } : undefined);
  const isNo = run?.end === "rejected";
  return [
    { stage: "sent", at: sent },
    { stage: "delivered", at: run === undefined ? sent : run.began },
    { stage: "read", at: read?.at, by: read?.by },
    { stage: "accepted", at: done?.ended, by: done?.by, said: done?.outcomes.find(({ code }) => code === done.outcome)?.title ?? done?.title, isNo },
  ];
}
