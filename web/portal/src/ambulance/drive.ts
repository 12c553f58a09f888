import type { Begin, Encounter, Identifier, Observation, Organization, Patient, Protocol, Resource, Sex, Words } from "@qingshan/client";
import { DRILL } from "../board/board";
import { bloodPressure, LOINC, measured, type Measure } from "../patients/vitals";
import { missingRoles, ownRole, startsFor } from "../protocols/start";
import { QINGSHAN, type Score } from "./scores";

/** What the tablet has loaded before it leaves: which warnings there are, and where they can be sent. */
export interface Pack {
  account: string;
  protocols: Protocol[];
  institutions: Pick<Organization, "id" | "name">[];
}

/** Something that is to reach the record. Its id is chosen here, so that sending it twice writes it once. */
export type Letter = { id: string; at: string; sent?: string; refused?: string } & (
  | { kind: "patient"; resource: Patient & { id: string } }
  | { kind: "visit"; resource: Encounter & { id: string } }
  | { kind: "run"; begin: Begin }
  | { kind: "finding"; resource: Resource & { id: string; identifier?: Identifier[]; subject?: { reference?: string } } }
);

/** One patient on the way, as the tablet knows them. */
export interface Drive {
  /** The id of the run. */
  id: string;
  account: string;
  began: string;
  protocol: string;
  version: string;
  title: Words;
  destination: { reference: string; display: string };
  sex: Sex;
  age: number | undefined;
  isDrill: boolean;
  /** When the patient is expected, as an instant. */
  eta?: string;
  /** The ids the record gave, once it did. */
  patient?: string;
  visit?: string;
  letters: Letter[];
  /** The last values, by the code of what was measured or scored. */
  values: Record<string, { value: number; at: string }>;
  /** The answers to the items of scores, by the code of the item. */
  items: Record<string, number>;
  /** The crew is done with it. */
  isOver?: boolean;
}

/** The protocols that somebody with these duties can warn of, each with the way it starts. */
export function warningsOf(protocols: readonly Protocol[], duties: readonly string[]) {
  return protocols.flatMap((protocol) => {
    const [start] = startsFor(protocol, duties);
    return start === undefined ? [] : [{ protocol, start }];
  });
}

/** What is said of somebody nobody knows yet. */
export interface Who {
  sex: Sex;
  age: number | undefined;
  isDrill: boolean;
}

/** Begins a drive: everything that has to be written for a warning, in the order in which it has to be. */
export function begin(
  asked: {
    protocol: Protocol;
    duties: readonly string[];
    own: { reference: string; organization: string };
    destination: Drive["destination"];
    who: Who;
    /** What the person is called until somebody knows. */
    name: string;
    account: string;
  },
  now: number,
  newId: () => string,
): Drive | undefined {
  const { protocol, duties, own, destination, who, name, account } = asked;
  const [start] = startsFor(protocol, duties);
  if (start === undefined) return undefined;
  const at = new Date(now).toISOString();
  const [id, patient, visit] = [newId(), newId(), newId()];
  const roles = protocol.role ?? [];
  const mine = ownRole(roles, duties);
  const bound: Record<string, string> = {};
  if (mine !== undefined) bound[mine.code] = mine.party === "person" ? own.reference : `Organization/${own.organization}`;
  for (const code of missingRoles(roles, bound, false)) {
    if (roles.find((role) => role.code === code)?.party === "institution") bound[code] = destination.reference;
  }
  const [first] = protocol.class ?? [];
  const klass = start.class ?? first?.code;
  const born = who.age === undefined ? undefined : String(new Date(now).getUTCFullYear() - who.age);
  const person: Patient & { id: string } = {
    resourceType: "Patient",
    id: patient,
    active: true,
    ...(who.isDrill && { meta: { security: [DRILL] } as Patient["meta"] & object }),
    name: [{ use: "anonymous", text: name }],
    gender: who.sex,
    ...(born !== undefined && { birthDate: born }),
  };
  const needsVisit = protocol.focus === "Encounter";
  const letters: Letter[] = [
    { id: patient, at, kind: "patient", resource: person },
    ...(needsVisit
      ? [
          {
            id: visit,
            at,
            kind: "visit" as const,
            resource: {
              resourceType: "Encounter" as const,
              id: visit,
              status: "in-progress",
              class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "EMER" },
              period: { start: at },
              serviceProvider: destination,
            },
          },
        ]
      : []),
    {
      id,
      at,
      kind: "run",
      begin: {
        id,
        protocol: protocol.code,
        ...(start.code !== undefined && { start: start.code }),
        patient: "",
        ...(klass !== undefined && { class: klass }),
        roles: bound,
      },
    },
  ];
  return {
    id,
    account,
    began: at,
    protocol: protocol.code,
    version: protocol.version,
    title: protocol.title,
    destination,
    sex: who.sex,
    age: who.age,
    isDrill: who.isDrill,
    letters,
    values: {},
    items: {},
  };
}

/** Adds something that is to be sent. */
export function write(drive: Drive, resource: Resource & { id: string }, at: string): Drive {
  return { ...drive, letters: [...drive.letters, { id: resource.id, at, kind: "finding", resource }] };
}

/** A measurement that was just made. Its patient is put in when it is sent: only then the record has given them an id. */
export function measurement(measure: Measure, value: number, taken: { id: string; at: string }): Observation & { id: string } {
  return measured({ ...taken, patient: "" }, measure, value);
}

/** A blood pressure that was just taken. */
export function pressure(systolic: number, diastolic: number, taken: { id: string; at: string }): Observation & { id: string } {
  return bloodPressure({ ...taken, patient: "" }, systolic, diastolic);
}

/** A score with the items it was made of. Without all of them there is none. */
export function scored(score: Score, items: Readonly<Record<string, number>>, total: number, taken: { id: string; at: string }): Observation & { id: string } {
  return {
    resourceType: "Observation",
    id: taken.id,
    status: "final",
    category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "survey" }] }],
    code: { coding: [score.loinc === undefined ? { system: QINGSHAN, code: score.code } : { system: LOINC, code: score.loinc }], text: score.name },
    effectiveDateTime: taken.at,
    valueQuantity: { value: total, system: "http://unitsofmeasure.org", code: "{score}" },
    component: score.items.flatMap(({ code }) => {
      const value = items[code];
      if (value === undefined) return [];
      return [{ code: { coding: [{ system: QINGSHAN, code }] }, valueQuantity: { value, system: "http://unitsofmeasure.org", code: "{score}" } }];
    }),
  };
}

/** When the patient is expected at the door, and where the vehicle was when that was said. */
export function expected(eta: string, position: { latitude: number; longitude: number } | undefined, taken: { id: string; at: string }): Resource & { id: string } {
  const decimal = (code: string, value: number) => ({
    code: { coding: [{ system: QINGSHAN, code }] },
    valueQuantity: { value: Math.round(value * 1e6) / 1e6, system: "http://unitsofmeasure.org", code: "deg" },
  });
  return {
    resourceType: "Observation",
    id: taken.id,
    status: "final",
    code: { coding: [{ system: QINGSHAN, code: "eta" }] },
    effectiveDateTime: taken.at,
    valueDateTime: eta,
    ...(position !== undefined && { component: [decimal("latitude", position.latitude), decimal("longitude", position.longitude)] }),
  } as Resource & { id: string };
}

/** A photograph, as the camera gave it but smaller. */
export function photograph(data: string, taken: { id: string; at: string }): Resource & { id: string } {
  return {
    resourceType: "Media",
    id: taken.id,
    status: "completed",
    createdDateTime: taken.at,
    content: { contentType: "image/jpeg", data, creation: taken.at },
  } as Resource & { id: string };
}

/** What has not reached the record yet. What was refused is told apart: it will not get there by waiting. */
export const unsent = (drive: Drive): Letter[] => drive.letters.filter(({ sent, refused }) => sent === undefined && refused === undefined);
export const refused = (drive: Drive): Letter[] => drive.letters.filter((letter) => letter.refused !== undefined);

/** Whether the tablet may forget a drive: the crew is done with it and the record has everything. */
export const isDone = (drive: Drive): boolean => drive.isOver === true && drive.letters.every(({ sent }) => sent !== undefined);
