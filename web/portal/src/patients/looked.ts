import type { AuditEvent } from "@qingshan/client";
import { bounds, dayAt } from "../calendar";
import { DUTY } from "../duties";

/** One time that somebody looked into a record. */
export interface Look {
  /** Milliseconds since 1970. */
  at: number;
  /** Who, by name, else as the trail names them. */
  who: string;
  where: string | undefined;
  /** Whether it was a person at a post, a person about themselves or their family, a system, or the platform by itself. */
  as: "post" | "lay" | "machine" | "platform";
  duties: string[];
  /** What was done: a code of a FHIR interaction such as `read`, or `emergency`. */
  act: string;
  /** Why: a code of v3-ActReason. */
  purpose: string | undefined;
  /** By which relation they were let in: a code of `https://qingshan.dev/fhir/CodeSystem/relation`. */
  relation: string | undefined;
  /** Whether what was done made that relation, and nothing tied them to the person before. */
  isSelfMade: boolean;
  isEmergency: boolean;
}

/** What one person did with a record on one day, as one line. */
export interface Visit {
  who: string;
  where: string | undefined;
  as: Look["as"];
  duties: string[];
  from: number;
  to: number;
  times: number;
  acts: string[];
  purposes: string[];
  relations: string[];
  isSelfMade: boolean;
  isEmergency: boolean;
}

const RELATION = "https://qingshan.dev/fhir/CodeSystem/relation";
/** Beside a relation: it was made by what was done. */
const SELF_MADE = "self-made";
/** What the trail calls the platform. */
const PLATFORM = "Device/qingshan";
/** “Application” of DICOM PS3.16. */
const APPLICATION = "110150";
/** “Emergency Override Started” of DICOM PS3.16. */
const OVERRIDE = "110127";

/** Reads an entry of the trail. `agent[0]` acted, with the duties of the post; `agent[1]` is the institution of that. */
export function lookOf(event: AuditEvent): Look | undefined {
  const at = bounds(event.recorded)?.from;
  const [who, where] = event.agent ?? [];
  if (at === undefined || who === undefined) return undefined;
  const roles = (who.role ?? []).flatMap((role) => role.coding ?? []);
  const subtype = event.subtype?.[0]?.code;
  const purpose = event.purposeOfEvent?.[0]?.coding?.[0]?.code;
  const relations = roles.filter(({ system }) => system === RELATION).map(({ code }) => code);
  const relation = relations.find((code) => code !== SELF_MADE);
  return {
    at,
    as: kindOf(who),
    who: who.who?.display ?? who.who?.reference ?? who.who?.identifier?.value ?? "",
    where: where?.who?.display ?? where?.who?.reference,
    duties: roles.filter(({ system }) => system === DUTY).map(({ code }) => code ?? ""),
    act: subtype === OVERRIDE ? "emergency" : (subtype ?? event.type.code ?? ""),
    purpose,
    relation,
    isSelfMade: relations.includes(SELF_MADE),
    isEmergency: relation === "emergency" || subtype === OVERRIDE || purpose === "BTG",
  };
}

function kindOf(agent: NonNullable<AuditEvent["agent"]>[number]): Look["as"] {
  const actor = agent.who?.reference ?? "";
  if (actor === PLATFORM) return "platform";
  if (agent.type?.coding?.some(({ code }) => code === APPLICATION) === true) return "machine";
  return /^(Patient|RelatedPerson)\//.test(actor) ? "lay" : "post";
}

/** Looks of one person on one day as one line each, the latest first. What was an emergency stands by itself. */
export function visitsOf(looks: readonly Look[]): Visit[] {
  const visits = new Map<string, Visit>();
  for (const look of [...looks].sort((left, right) => right.at - left.at)) {
    const key = [look.who, look.where, dayAt(look.at), look.isEmergency].join("|");
    const visit = visits.get(key);
    if (visit === undefined) {
      const { who, where, as, duties, isEmergency, isSelfMade, at, act, purpose, relation } = look;
      const purposes = purpose === undefined ? [] : [purpose];
      const relations = relation === undefined ? [] : [relation];
      const [from, to, times, acts] = [at, at, 1, [act]];
      visits.set(key, { who, where, as, duties, isEmergency, isSelfMade, from, to, times, acts, purposes, relations });
      continue;
    }
    visit.from = look.at;
    visit.times += 1;
    visit.isSelfMade ||= look.isSelfMade;
    if (!visit.acts.includes(look.act)) visit.acts.push(look.act);
    if (look.purpose !== undefined && !visit.purposes.includes(look.purpose)) visit.purposes.push(look.purpose);
    if (look.relation !== undefined && !visit.relations.includes(look.relation)) visit.relations.push(look.relation);
  }
  return [...visits.values()];
}
