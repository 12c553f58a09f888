import type {
  AllergyIntolerance,
  CodeableConcept,
  Coding,
  Condition,
  DiagnosticReport,
  Encounter,
  Immunization,
  MedicationRequest,
  Observation,
  ObservationComponent,
  Page,
  Period,
  Procedure,
  Quantity,
  Reference,
  Resource,
  When,
} from "@qingshan/client";
import { bounds } from "../calendar";
import { BLOOD_PRESSURE, DIASTOLIC, LOINC, SYSTOLIC } from "./vitals";

/** The kinds of entries of a timeline, each with the search parameter that tells when it was. */
export const KINDS = {
  Encounter: "date",
  Condition: "recorded-date",
  AllergyIntolerance: "date",
  Observation: "date",
  DiagnosticReport: "date",
  ImagingStudy: "started",
  MedicationRequest: "authoredon",
  Procedure: "date",
  Immunization: "date",
  DocumentReference: "date",
  ServiceRequest: "authored",
  Task: "authored-on",
  CarePlan: "date",
  Consent: "date",
} as const;

export type Kind = keyof typeof KINDS;
export const kinds = Object.keys(KINDS) as Kind[];

/** Kinds as people look for them, in the order in which they are offered. */
export const GROUPS = {
  visits: ["Encounter"],
  diagnoses: ["Condition", "AllergyIntolerance"],
  results: ["Observation", "DiagnosticReport"],
  images: ["ImagingStudy"],
  medicines: ["MedicationRequest"],
  procedures: ["Procedure", "Immunization"],
  documents: ["DocumentReference"],
  requests: ["ServiceRequest", "Task"],
  plans: ["CarePlan", "Consent"],
} as const satisfies Record<string, readonly Kind[]>;

export type Group = keyof typeof GROUPS;
export const groups = Object.keys(GROUPS) as Group[];

/** Entries of one kind that a first page holds: what a line of 30 KB/s brings in a moment, for all kinds together. */
const PAGE = 10;

/**
 * Where the first page of a kind is.
 *
 * @param patients every id under which this person is known
 * @param since the first day that is asked for, if not all are
 */
export function firstPage(kind: Kind, patients: readonly string[], since: string | undefined): string {
  const [by, about] = [KINDS[kind], encodeURIComponent(patients.join(","))];
  const period = since === undefined ? "" : `&${by}=ge${since}`;
  return `/fhir/${kind}?patient=${about}${period}&_sort=-${by}&_count=${PAGE}`;
}

/** One line of a timeline. Names come as concepts, so that each reader sees them in their own language. */
export interface Entry {
  kind: Kind;
  id: string;
  /** What it is about. */
  what: CodeableConcept | undefined;
  /** Measured values; a pair such as a blood pressure is one value. */
  values: Value[];
  /** Anything else worth a line, as it was written. */
  notes: string[];
  when: Period;
  /** A status other than the usual one. */
  status: string | undefined;
  /** The setting of an encounter: outpatient, emergency, inpatient … */
  setting: string | undefined;
  /** When the record last took it in, in milliseconds since 1970. */
  kept: number;
  /** The institution it comes from, as far as it says so itself. */
  place: Reference | undefined;
  /** The id of the visit it belongs to. */
  visit: string | undefined;
  /** What the entry was made of. */
  resource: Resource;
}

/** A measured value: a number with its unit, or what else was found. */
export interface Value {
  /** Its own name within a group of values. */
  name?: CodeableConcept;
  text?: string;
  concept?: CodeableConcept;
  unit?: string;
  /** HL7 interpretation code, such as `H`. */
  flag?: string;
}

const USUAL = new Set(["final", "available", "current", "amended", "corrected", "completed", "finished", "active", "unknown"]);

/** The timeline entry of a resource. */
export function entryOf(resource: Resource): Entry | undefined {
  const shared = {
    id: resource.id ?? "",
    kept: bounds(resource.meta?.lastUpdated)?.from ?? 0,
    place: placeOf(resource),
    visit: visitOf(resource),
    resource,
  };
  const entry = (rest: Partial<Entry> & Pick<Entry, "kind" | "when">): Entry => ({
    what: undefined,
    values: [],
    notes: [],
    setting: undefined,
    ...shared,
    ...rest,
    status: rest.status === undefined || USUAL.has(rest.status) ? undefined : rest.status,
  });
  switch (resource.resourceType) {
    case "Encounter": {
      const it = resource as Encounter;
      const notes = (it.reasonCode ?? []).map(textOf).filter((note) => note !== undefined);
      const what = it.type?.[0];
      return entry({ kind: "Encounter", what, notes, when: it.period ?? {}, status: it.status, setting: it.class?.code });
    }
    case "Condition": {
      const it = resource as Condition;
      const status = codeOf(it.verificationStatus) === "entered-in-error" ? "entered-in-error" : codeOf(it.clinicalStatus);
      return entry({ kind: "Condition", what: it.code, when: on(it.recordedDate ?? it.onsetDateTime), status });
    }
    case "Observation": {
      const it = resource as Observation;
      const when = it.effectivePeriod ?? on(it.effectiveDateTime ?? it.issued);
      return entry({ kind: "Observation", what: it.code, values: valuesOf(it), when, status: it.status });
    }
    case "MedicationRequest": {
      const it = resource as MedicationRequest;
      const what = it.medicationCodeableConcept ?? named(it.medicationReference?.display);
      const notes = (it.dosageInstruction ?? []).map((dose) => dose.text).filter((text) => text !== undefined);
      return entry({ kind: "MedicationRequest", what, notes, when: on(it.authoredOn), status: it.status });
    }
    case "Procedure": {
      const it = resource as Procedure;
      const when = it.performedPeriod ?? on(it.performedDateTime);
      return entry({ kind: "Procedure", what: it.code, when, status: it.status });
    }
    case "DiagnosticReport": {
      const it = resource as DiagnosticReport;
      const when = it.effectivePeriod ?? on(it.effectiveDateTime);
      const notes = it.conclusion === undefined ? [] : [it.conclusion];
      return entry({ kind: "DiagnosticReport", what: it.code, notes, when, status: it.status });
    }
    case "Immunization": {
      const it = resource as Immunization;
      return entry({ kind: "Immunization", what: it.vaccineCode, when: on(it.occurrenceDateTime), status: it.status });
    }
    default:
      return isKind(resource.resourceType) ? entry(plainly(resource.resourceType, resource as Loose)) : undefined;
  }
}

/** The members that kinds without a reading of their own tell themselves by. */
interface Loose extends Resource {
  status?: string;
  code?: CodeableConcept;
  type?: CodeableConcept | { text?: string };
  category?: CodeableConcept[];
  scope?: CodeableConcept;
  title?: string;
  description?: string;
  clinicalStatus?: CodeableConcept;
  reasonCode?: CodeableConcept | CodeableConcept[];
  procedureCode?: CodeableConcept[];
  modality?: Coding[];
  date?: When;
  dateTime?: When;
  started?: When;
  authoredOn?: When;
  recordedDate?: When;
  created?: When;
  period?: Period;
}

function isKind(type: string): type is Kind {
  return type in KINDS;
}

/** A kind that is told by its name, its date and what was written about it. */
function plainly(kind: Kind, it: Loose): Partial<Entry> & Pick<Entry, "kind" | "when"> {
  const modality = it.modality?.map((coding) => coding.display ?? coding.code).filter(Boolean).join(" ");
  const what = it.code ?? it.procedureCode?.[0] ?? named(it.title) ?? (it.type as CodeableConcept | undefined);
  const scope = it.scope ?? it.category?.[0];
  const reasons = it.reasonCode === undefined ? [] : [it.reasonCode].flat();
  const notes = [...reasons.map(textOf), modality, it.description].filter((note): note is string => Boolean(note));
  const when = it.period ?? on(it.started ?? it.date ?? it.dateTime ?? it.authoredOn ?? it.recordedDate ?? it.created);
  return { kind, what: what ?? scope, notes, when, status: it.status ?? codeOf(it.clinicalStatus) };
}

/** Where a resource says that it comes from, in the order of how sure that is. */
const PLACES = [
  "serviceProvider",
  "custodian",
  "performer",
  "organization",
  "author",
  "owner",
  "requester",
  "recorder",
  "asserter",
] as const;

function placeOf(resource: Resource): Reference | undefined {
  type Named = Reference & { actor?: Reference };
  const members = resource as unknown as Partial<Record<string, Named | Named[]>>;
  for (const name of PLACES) {
    for (const entry of [members[name] ?? []].flat()) {
      const at = entry.actor ?? entry;
      const isNamed = name === "serviceProvider" && at.display !== undefined;
      if (isNamed || at.reference?.startsWith("Organization/")) return at;
    }
  }
  return undefined;
}

function visitOf(resource: Resource): string | undefined {
  type Within = { encounter?: Reference; context?: { encounter?: Reference[] } };
  if (resource.resourceType === "Encounter") return resource.id;
  const { encounter, context } = resource as Resource & Within;
  return (encounter ?? context?.encounter?.[0])?.reference?.split("/")[1];
}

/**
 * The institution of each entry: its own, else that of the visit it belongs to. Entries of visits that were not read yet
 * have none.
 */
export function placesOf(entries: readonly Entry[]): Map<Entry, Reference> {
  const visits = new Map(entries.filter((entry) => entry.kind === "Encounter").map((entry) => [entry.id, entry.place]));
  const found = new Map<Entry, Reference>();
  for (const entry of entries) {
    const place = entry.place ?? (entry.visit === undefined ? undefined : visits.get(entry.visit));
    if (place !== undefined) found.set(entry, place);
  }
  return found;
}

const on = (when: When | undefined): Period => (when === undefined ? {} : { start: when, end: when });
const named = (text: string | undefined): CodeableConcept | undefined => (text === undefined ? undefined : { text });
const codeOf = (concept: CodeableConcept | undefined) => concept?.coding?.[0]?.code;

/** The words of a concept as they were recorded: its text, else a display, else a bare code. */
export function textOf(concept: CodeableConcept): string | undefined {
  const codings = concept.coding ?? [];
  return concept.text ?? codings.find((coding) => coding.display)?.display ?? codings[0]?.code;
}

/** Whether a concept holds this LOINC code. */
export function isLoinc(concept: CodeableConcept | undefined, code: string): boolean {
  return concept?.coding?.some((coding) => coding.system === LOINC && coding.code === code) ?? false;
}

function valuesOf(it: Observation): Value[] {
  const flag = codeOf(it.interpretation?.[0]);
  const components = it.component ?? [];
  const pressure = (code: string) => components.find((part) => isLoinc(part.code, code))?.valueQuantity;
  const [systolic, diastolic] = [pressure(SYSTOLIC.code), pressure(DIASTOLIC.code)];
  if (systolic?.value !== undefined && diastolic?.value !== undefined) {
    const value = { text: `${systolic.value}/${diastolic.value}`, unit: unitOf(systolic) };
    return [flag === undefined ? value : { ...value, flag }];
  }
  const own = valueOf(it);
  const values = components.map((part) => ({ name: part.code, ...valueOf(part) }));
  if (own !== undefined) values.unshift(own as Value & { name: CodeableConcept });
  return flag === undefined ? values : values.map((value) => ({ ...value, flag }));
}

function valueOf(it: Observation | ObservationComponent): Value | undefined {
  if (it.valueQuantity?.value !== undefined) {
    const { value, comparator = "" } = it.valueQuantity;
    return { text: `${comparator}${value}`, unit: unitOf(it.valueQuantity) };
  }
  if (it.valueCodeableConcept !== undefined) return { concept: it.valueCodeableConcept };
  const bare = it.valueString ?? ("valueInteger" in it ? it.valueInteger : undefined);
  return bare === undefined ? undefined : { text: String(bare) };
}

/** A unit as people write it; UCUM's own notation is for machines. <https://ucum.org/ucum> */
function unitOf(quantity: Quantity): string {
  const written: Record<string, string> = { "mm[Hg]": "mmHg", Cel: "℃", "{score}": "", "1": "" };
  const code = quantity.code ?? "";
  const unit = quantity.unit ?? code;
  return written[code] ?? written[unit] ?? unit;
}

/** Where an entry stands: at the last moment it may mean. What goes on still comes first, what has no date last. */
export function rank(entry: Entry): number {
  const { start, end } = entry.when;
  if (end !== undefined) return bounds(end)?.to ?? Number.NEGATIVE_INFINITY;
  return start === undefined ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** What has been read of one kind. */
export interface Read {
  entries: Entry[];
  /** Where more is; absent when all has been read. */
  next?: string;
}

/** Adds a page to what has been read of a kind. An entry that two pages hold is kept once. */
export function extend(read: Read | undefined, page: Page<Resource>): Read {
  const entries = new Map((read?.entries ?? []).map((entry) => [entry.id, entry]));
  for (const entry of page.found.map(entryOf)) if (entry !== undefined) entries.set(entry.id, entry);
  const all = { entries: [...entries.values()] };
  return page.next === undefined ? all : { ...all, next: page.next };
}

/**
 * One timeline of several kinds, each read as far as it has been. It ends where the first of the kinds that have more
 * ends, so that nothing that is still to be read can belong between two entries that are shown.
 */
export function merge(reads: readonly Read[]): { entries: Entry[]; hasMore: boolean } {
  const open = reads.filter((read) => read.next !== undefined);
  const end = Math.max(Number.NEGATIVE_INFINITY, ...open.map(oldest));
  const entries = reads
    .flatMap((read) => read.entries)
    .filter((entry) => open.length === 0 || rank(entry) >= end)
    .sort((left, right) => compare(right, left));
  return { entries, hasMore: open.length > 0 };
}

/** The kinds to read on so that the merged timeline grows: those at whose end it stops. */
export function nextKinds<K extends string>(reads: Readonly<Partial<Record<K, Read>>>): K[] {
  const open = (Object.entries(reads) as [K, Read][]).filter(([, read]) => read.next !== undefined);
  const end = Math.max(...open.map(([, read]) => oldest(read)));
  return open.filter(([, read]) => oldest(read) >= end).map(([kind]) => kind);
}

function oldest(read: Read): number {
  return Math.min(Number.POSITIVE_INFINITY, ...read.entries.map(rank));
}

function compare(left: Entry, right: Entry): number {
  const [first, second] = [rank(left), rank(right)];
  if (first !== second) return first < second ? -1 : 1;
  // What goes on still has no end to go by; among those, and at one moment, the later beginning and then the later entry.
  const begins = (bounds(left.when.start)?.from ?? 0) - (bounds(right.when.start)?.from ?? 0);
  return begins || left.kept - right.kept || (left.id < right.id ? -1 : 1);
}

/** Whether this observation is a blood pressure. */
export function isBloodPressure(entry: Entry): boolean {
  return isLoinc(entry.what, BLOOD_PRESSURE.code) || isLoinc(entry.what, "55284-4");
}

/** The substances of allergies that still hold, those of high danger first. */
export function allergiesOf(resources: readonly Resource[]): { what: CodeableConcept; isHigh: boolean }[] {
  return resources
    .map((resource) => resource as AllergyIntolerance)
    .filter((it) => ["active", undefined].includes(codeOf(it.clinicalStatus)) && it.code !== undefined)
    .map((it) => ({ what: it.code as CodeableConcept, isHigh: it.criticality === "high" }))
    .sort((left, right) => Number(right.isHigh) - Number(left.isHigh));
}
