import type { Parameter, Parameters } from "@qingshan/client";
import { bounds, dayAt } from "../calendar";

/** One time that somebody looked into a record. */
export interface Look {
  /** Milliseconds since 1970. */
  at: number;
  /** Who, by name, else as the trail names them. */
  who: string;
  where: string | undefined;
  duties: string[];
  /** What was done: a code of the trail such as `read` or `search`. */
  act: string;
  /** Why: a code of v3-ActReason. */
  purpose: string | undefined;
  isEmergency: boolean;
}

/** What one person did with a record on one day, as one line. */
export interface Visit {
  who: string;
  where: string | undefined;
  duties: string[];
  from: number;
  to: number;
  times: number;
  acts: string[];
  purposes: string[];
  isEmergency: boolean;
}

/** Reads what `$who-looked` answers. */
export function looksOf(answer: Parameters): Look[] {
  return (answer.parameter ?? []).filter(({ name }) => name === "look").flatMap((look) => {
    const part = (name: string) => textOf(look.part?.find((entry) => entry.name === name));
    const at = bounds(part("when"))?.from;
    if (at === undefined) return [];
    const duties = (look.part ?? []).filter(({ name }) => name === "duty").map((duty) => textOf(duty) ?? "");
    const isEmergency = look.part?.find(({ name }) => name === "emergency")?.valueBoolean ?? part("purpose") === "BTG";
    const [who = "", act = "read"] = [part("who"), part("action")];
    return [{ at, who, where: part("organization"), duties, act, purpose: part("purpose"), isEmergency }];
  });
}

function textOf(parameter: Parameter | undefined): string | undefined {
  if (parameter === undefined) return undefined;
  const { valueReference, valueString, valueCode, valueInstant, valueDateTime, valueCoding } = parameter;
  return valueReference?.display ?? valueString ?? valueCode ?? valueInstant ?? valueDateTime ?? valueCoding?.code ?? valueReference?.reference;
}

/** Looks of one person on one day as one line each, the latest first. What was an emergency stands by itself. */
export function visitsOf(looks: readonly Look[]): Visit[] {
  const visits = new Map<string, Visit>();
  for (const look of [...looks].sort((left, right) => right.at - left.at)) {
    const key = [look.who, look.where, dayAt(look.at), look.isEmergency].join("|");
    const visit = visits.get(key);
    if (visit === undefined) {
      const { who, where, duties, isEmergency, at, act, purpose } = look;
      const purposes = purpose === undefined ? [] : [purpose];
      visits.set(key, { who, where, duties, isEmergency, from: at, to: at, times: 1, acts: [act], purposes });
      continue;
    }
    visit.from = look.at;
    visit.times += 1;
    if (!visit.acts.includes(look.act)) visit.acts.push(look.act);
    if (look.purpose !== undefined && !visit.purposes.includes(look.purpose)) visit.purposes.push(look.purpose);
  }
  return [...visits.values()];
}
