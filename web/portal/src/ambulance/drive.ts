import type {
  Begin,
  Coding,
  Encounter,
  Identifier,
  Observation,
  Organization,
  Patient,
  Protocol,
  Questionnaire,
  QuestionnaireResponse,
  Resource,
  Sex,
  Words,
} from "@qingshan/client";
import { DRILL, markOf } from "../board/board";
import { codingsOf } from "../forms/filled";
import { itemsOf } from "../forms/questionnaire";
import { bloodPressure, LOINC, measured, type Measure } from "../patients/vitals";
import { CREW, ETA_METHOD } from "../runs/position";
import type { Position } from "./here";
import { missingRoles, ownRole, startsFor } from "../protocols/start";
import { answered, type Known } from "./answers";
import { QINGSHAN, type Score } from "./scores";

/** What the tablet has loaded before it leaves: which warnings there are, and where they can be sent. */
export interface Pack {
  account: string;
  warnings: Warning[];
  institutions: Pick<Organization, "id" | "name">[];
}

/** A form with the codings of its lists, by the address of each. */
export interface Paper {
  form: Questionnaire;
  lists: Record<string, Coding[]>;
}

/** A protocol that can be warned of, with the form it begins with and the step by which its crew tells what is new. */
export interface Warning {
  protocol: Protocol;
  start: NonNullable<Protocol["start"]>[number];
  paper?: Paper | undefined;
  update?: { step: string; paper: Paper } | undefined;
}

/** What may have happened: a protocol, or one of the things that its form asks about. */
export interface Happening {
  warning: Warning;
  suspected?: Coding;
}

/** Something that is to reach the record. Its id is chosen here, so that sending it twice writes it once. */
export type Letter = { id: string; at: string; sent?: string; refused?: string } & (
  | { kind: "patient"; resource: Patient & { id: string } }
  | { kind: "visit"; resource: Encounter & { id: string } }
  | { kind: "run"; begin: Begin }
  | { kind: "act"; step: string; n?: number; response?: QuestionnaireResponse }
  | { kind: "ecg"; file: { name: string; type: string; data: string }; isConfirmed?: boolean }
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
  /** What is suspected, where the form of the protocol asks. */
  suspected?: Coding;
  update?: Warning["update"];
  sex: Sex;
  age: number | undefined;
  isDrill: boolean;
  /** When the patient is expected, as an instant, by what the crew said; and when it said so against what is worked out. */
  eta?: string;
  etaSaid?: string;
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

/** The item of a start's form that says what is suspected, and the item that says when the patient is expected. */
export const SUSPECTED = "suspected";
export const ETA = "eta";

/** The protocols that somebody with these duties can warn of, each with the way it starts. */
export function warningsOf(protocols: readonly Protocol[], duties: readonly string[]): Pick<Warning, "protocol" | "start">[] {
  return protocols.flatMap((protocol) => {
    const [start] = startsFor(protocol, duties);
    return start === undefined ? [] : [{ protocol, start }];
  });
}

/** What may have happened, as far as there is something to warn of. */
export function happenings(warnings: readonly Warning[]): Happening[] {
  return warnings.flatMap((warning) => {
    const item = [...(warning.paper === undefined ? [] : itemsOf(warning.paper.form.item))].find(({ linkId }) => linkId === SUSPECTED);
    const choices = item === undefined ? [] : codingsOf(item, new Map(Object.entries(warning.paper?.lists ?? {})));
    return choices.length === 0 ? [{ warning }] : choices.map((suspected) => ({ warning, suspected }));
  });
}

/** What is said of somebody nobody knows yet. */
export interface Who {
  sex: Sex;
  age: number | undefined;
  isDrill: boolean;
  /** In how many minutes they are expected at the door. */
  minutes: number;
  /** The crew says so though something else was worked out. */
  isOwn?: boolean;
  /** Why they are brought there, in words: what was recommended, and who was not and why. */
  why?: string | undefined;
}

/** Begins a drive: everything that has to be written for a warning, in the order in which it has to be. */
export function begin(
  asked: {
    happening: Happening;
    duties: readonly string[];
    own: { reference: string; organization: string };
    destination: Drive["destination"];
    who: Who;
    /** What the person is called until somebody knows. */
    name: string;
    /** What is written where the form wants words and nobody has any yet. */
    words: string;
    account: string;
  },
  now: number,
  newId: () => string,
): Drive {
  const { happening, duties, own, destination, who, name, words, account } = asked;
  const { warning, suspected } = happening;
  const { protocol, start } = warning;
  const eta = new Date(now + who.minutes * 60_000).toISOString();
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
    name: [{ use: "anonymous", text: `${name} ${markOf(id)}` }],
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
        ...(warning.paper !== undefined && { response: answered(warning.paper, known({ who, suspected, eta, words }), at) }),
      },
    },
  ];
  // Where no form says when the patient is expected, an observation does; and where the crew knows better than what is
  // worked out, so that it stands against that.
  if (!tellsEta(warning.paper) || who.isOwn === true) {
    const mark = { id: newId(), at };
    letters.push({ id: mark.id, at, kind: "finding", resource: expected(eta, undefined, mark) });
  }
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
    eta,
    ...(who.isOwn === true && { etaSaid: at }),
    ...(suspected !== undefined && { suspected }),
    ...(warning.update !== undefined && { update: warning.update }),
    letters,
    values: {},
    items: {},
  };
}

const tellsEta = (paper: Paper | undefined): boolean => paper !== undefined && [...itemsOf(paper.form.item)].some(({ linkId }) => linkId === ETA);

/** What is known when a warning is sent, by the names of the items that ask for it. */
function known(told: { who: Who; suspected: Coding | undefined; eta: string; words: string }): Known {
  const { who, suspected, eta, words } = told;
  return {
    [SUSPECTED]: suspected?.code,
    [ETA]: eta,
    "unknown-identity": true,
    sex: who.sex,
    age: who.age,
    complaint: words,
    certainty: "unknown",
    destination: who.why,
  };
}

/** Tells when the patient is expected now: by the step that is there for it, or by an observation. */
export function expect(
  drive: Drive,
  eta: string,
  position: { latitude: number; longitude: number } | undefined,
  words: string,
  mark: { id: string; at: string },
): Drive {
  const next = { ...drive, eta, etaSaid: mark.at };
  if (drive.update === undefined) return write(next, expected(eta, position, mark), mark.at);
  const response = answered(drive.update.paper, { [ETA]: eta, change: words }, mark.at);
  return { ...next, letters: [...next.letters, { id: mark.id, at: mark.at, kind: "act", step: drive.update.step, response }] };
}

/** Takes back what the crew said of when it arrives: what is worked out from where the vehicle is counts again. */
export function reckonedAgain(drive: Drive, mark: { id: string; at: string }): Drive {
  const { valueDateTime: _, ...rest } = expected("", undefined, mark) as Observation & { id: string; valueDateTime?: string };
  const { eta: __, etaSaid: ___, ...others } = drive;
  return write(others, { ...rest, status: "cancelled" } as Resource & { id: string }, mark.at);
}

/** Says that a step was done. */
export function done(drive: Drive, step: string, mark: { id: string; at: string }): Drive {
  return { ...drive, letters: [...drive.letters, { id: mark.id, at: mark.at, kind: "act", step }] };
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
export function expected(eta: string, position: Position | undefined, taken: { id: string; at: string }): Resource & { id: string } {
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
    method: { coding: [{ system: ETA_METHOD, code: CREW }] },
    ...(position !== undefined && { component: [decimal("latitude", position.latitude), decimal("longitude", position.longitude), ...exactness(position)] }),
  } as Resource & { id: string };
}

/** Within how many metres a position is so, where the device knows. */
const exactness = ({ accuracy }: Position) =>
  accuracy === undefined ? [] : [{ code: { coding: [{ system: QINGSHAN, code: "accuracy" }] }, valueQuantity: { value: Math.ceil(accuracy), system: "http://unitsofmeasure.org", code: "m" } }];

/** Where a vehicle is. */
export const POSITION = "vehicle-position";

const isPosition = (letter: Letter) => letter.kind === "finding" && (letter.resource as Partial<Observation>).code?.coding?.some(({ code }) => code === POSITION) === true;

/** Tells where the vehicle is. What was told before is not kept, sent or not: only where it is now helps anybody. */
export function positioned(drive: Drive, position: Position, taken: { id: string; at: string }): Drive {
  const { valueDateTime: _, method: __, ...rest } = expected("", position, taken) as Observation & { id: string; valueDateTime?: string; method?: object };
  const resource = { ...rest, code: { coding: [{ system: QINGSHAN, code: POSITION }] } };
  return write({ ...drive, letters: drive.letters.filter((letter) => !isPosition(letter)) }, resource, taken.at);
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

/** An electrocardiogram, as the electrocardiograph wrote it. The record takes it apart. */
export function tracing(drive: Drive, file: { name: string; type: string; data: string }, mark: { id: string; at: string }): Drive {
  return { ...drive, letters: [...drive.letters, { ...mark, kind: "ecg", file }] };
}

/** What has not reached the record yet. What was refused is told apart: it will not get there by waiting. */
export const unsent = (drive: Drive): Letter[] => drive.letters.filter(({ sent, refused }) => sent === undefined && refused === undefined);
export const refused = (drive: Drive): Letter[] => drive.letters.filter((letter) => letter.refused !== undefined);

/**
 * Has everything that was refused sent once more. Whoever presses that has read why; an electrocardiogram whose file names
 * somebody else is theirs then.
 */
export const retried = (drive: Drive): Drive => ({
  ...drive,
  letters: drive.letters.map((letter) => {
    const { refused: why, ...rest } = letter;
    return (rest.kind === "ecg" && why !== undefined ? { ...rest, isConfirmed: true } : rest) as Letter;
  }),
});

/** Whether the tablet may forget a drive: the crew is done with it and the record has everything. */
export const isDone = (drive: Drive): boolean => drive.isOver === true && drive.letters.every(({ sent }) => sent !== undefined);
