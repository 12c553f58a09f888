import type { Communication, RunView, Words } from "@qingshan/client";
import { standing } from "../runs/graph";

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
 * How far a warning has come. A protocol that names the milestones `read`, `accepted` and `diverted` tells by them.
 * Otherwise it is read when one of its messages was opened or somebody took a step on, and accepted when somebody else
 * than its crew has done a first step. It is sent and delivered once the record has it: the messages to those it is for
 * are written in the same transaction.
 *
 * @param sent when the record confirmed it
 * @param isOwn whether a reference means whoever sent it
 */
export function stagesOf(
  sent: string | undefined,
  run: RunView | undefined,
  messages: readonly Communication[] | undefined,
  isOwn: (reference: string) => boolean = () => false,
): Stage[] {
  const theirs = (run?.steps ?? []).filter(({ task, by }) => task !== undefined && !(by !== undefined && isOwn(by)));
  const done = theirs
    .filter(({ state, by, ended }) => state === "done" && by !== undefined && ended !== undefined)
    .sort((left, right) => Date.parse(left.ended ?? "") - Date.parse(right.ended ?? ""))[0];
  const seen = theirs.flatMap(({ acknowledged = [] }) => acknowledged).sort((left, right) => Date.parse(left.at) - Date.parse(right.at))[0];
  const taken = theirs.find(({ state }) => state === "taken");
  const opened = (messages ?? []).some(({ status }) => status === "completed");
  const read =
    standing(run, "read") ??
    seen ??
    (done && { at: done.ended, by: done.by }) ??
    (taken && { at: run?.now, by: taken.by }) ??
    (opened ? { at: run?.now, by: undefined } : undefined);
  const accepted = standing(run, "accepted");
  const diverted = standing(run, "diverted");
  const declined = accepted === undefined ? standing(run, "declined") : undefined;
  const no = diverted ?? declined;
  const said = done?.outcomes.find(({ code }) => code === done.outcome)?.title ?? done?.title;
  const last: Stage =
    no !== undefined
      ? { stage: "accepted", at: no.at, by: no.by, said: no.title, isNo: true }
      : accepted !== undefined
        ? { stage: "accepted", at: accepted.at, by: accepted.by, said: done?.by === accepted.by ? said : accepted.title }
        : { stage: "accepted", at: done?.ended, by: done?.by, said, ...(run?.end === "rejected" && { isNo: true }) };
  return [
    { stage: "sent", at: sent },
    { stage: "delivered", at: run === undefined ? sent : run.began },
    { stage: "read", at: read?.at, by: read?.by },
    last,
  ];
}
