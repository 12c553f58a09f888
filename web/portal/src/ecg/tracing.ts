import type { DiagnosticReport, Observation, ObservationComponent, SampledData } from "@qingshan/client";

/** Numbers of leads: ISO/IEEE 11073-10101. */
const MDC = "urn:oid:2.16.840.1.113883.6.24";
const FIRST = 131_328;
const LOINC = "http://loinc.org";
/** Whose a tracing is by its file. */
const SUBJECT = "https://qingshan.dev/fhir/StructureDefinition/ecg-subject";

/** The leads by their numbers. */
const NAMES = new Map([
  [1, "I"], [2, "II"], [61, "III"], [62, "aVR"], [63, "aVL"], [64, "aVF"],
  [3, "V1"], [4, "V2"], [5, "V3"], [6, "V4"], [7, "V5"], [8, "V6"], [9, "V7"], [66, "V8"], [67, "V9"],
  [10, "V2R"], [11, "V3R"], [12, "V4R"], [13, "V5R"], [14, "V6R"], [15, "V7R"],
]);

/** The twelve leads, as they stand on paper: three rows of four. */
export const TWELVE = [
  ["I", "aVR", "V1", "V4"],
  ["II", "aVL", "V2", "V5"],
  ["III", "aVF", "V3", "V6"],
] as const;
const OTHERS = ["V7", "V8", "V9", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R"];
/** The lead that is drawn all along. */
export const RHYTHM = "II";

/** Why nothing can be drawn of a lead: the file does not have it, it was not recorded, or it cannot be read. */
export type Absent = "missing" | "off" | "unreadable";

/** What one lead recorded, in millivolts; where there is no sample there is none. */
export interface Lead {
  name: string;
  absent?: Absent;
  /** When its first sample was taken, in milliseconds since the tracing began. */
  from: number;
  /** From one sample to the next, in milliseconds. */
  period: number;
  samples: readonly (number | undefined)[];
}

/** An electrocardiogram as it is drawn. */
export interface Tracing {
  /** When it began, in milliseconds since 1970. */
  began: number;
  /** How long it is, in milliseconds. */
  length: number;
  leads: ReadonlyMap<string, Lead>;
  /** What the device measured, by LOINC. */
  measured: { code: string; display: string | undefined; value: number; unit: string }[];
  /** What the device made of it. No physician has read that. */
  statements: string[];
  device: string | undefined;
  /** Whose it is by its file. */
  subject: string[] | undefined;
}

/** Millivolts in one of a unit. */
const MILLIVOLTS: Record<string, number> = { nV: 1e-6, uV: 1e-3, mV: 1, V: 1e3 };

/** The tracing that results consist of, if any lead is among them. */
export function tracingOf(observations: readonly Observation[]): Tracing | undefined {
  const timed = observations.flatMap((one) => {
    const at = Date.parse(one.effectiveDateTime ?? one.effectivePeriod?.start ?? "");
    const parts = (one.component ?? []).filter((part) => part.valueSampledData !== undefined || isLead(part));
    return Number.isNaN(at) || parts.length === 0 || one.status === "entered-in-error" ? [] : [{ one, at, parts }];
  });
  if (timed.length === 0) return undefined;
  const began = Math.min(...timed.map(({ at }) => at));
  const leads = new Map<string, Lead>();
  for (const { at, parts } of timed) {
    for (const part of parts) {
      const lead = leadOf(part, at - began);
      // A lead that was recorded twice is drawn as it was recorded first; one without samples gives way to one with them.
      const before = leads.get(lead.name);
      if (before === undefined || (before.absent !== undefined && lead.absent === undefined)) leads.set(lead.name, lead);
    }
  }
  const length = Math.max(0, ...[...leads.values()].map(({ from, period, samples }) => from + period * samples.length));
  const all = timed.map(({ one }) => one);
  return {
    began,
    length,
    leads,
    measured: all.flatMap((one) => (one.component ?? []).flatMap(measuredOf)),
    statements: all.flatMap(({ note }) => (note ?? []).flatMap(({ text }) => text ?? [])),
    device: all.find(({ device }) => device?.display !== undefined)?.device?.display,
    subject: all.flatMap(({ extension }) => extension ?? []).find(({ url }) => url === SUBJECT)?.valueString?.split(" · "),
  };
}

const numberOf = ({ code }: ObservationComponent) => Number(code.coding?.find(({ system }) => system === MDC)?.code) - FIRST;

const isLead = (part: ObservationComponent) => NAMES.has(numberOf(part)) || (part.dataAbsentReason !== undefined && part.code.text !== undefined);

function leadOf(part: ObservationComponent, from: number): Lead {
  const name = NAMES.get(numberOf(part)) ?? part.code.text ?? part.code.coding?.[0]?.display ?? "?";
  const none = (absent: Absent): Lead => ({ name, absent, from, period: 1, samples: [] });
  const { valueSampledData: sampled, dataAbsentReason } = part;
  if (sampled === undefined) return none(dataAbsentReason?.coding?.some(({ code }) => code === "error") === true ? "unreadable" : "off");
  const samples = samplesOf(sampled);
  if (samples === undefined || !(sampled.period > 0)) return none("unreadable");
  if (samples.every((sample) => sample === undefined)) return none("off");
  return { name, from, period: sampled.period, samples };
}

/**
 * The samples in millivolts. What is marked as an error, or as above or below what could be measured, is no sample; what
 * is no number makes the whole unreadable. <http://hl7.org/fhir/R4/datatypes.html#SampledData>
 */
function samplesOf({ origin, factor = 1, data = "", dimensions }: SampledData): (number | undefined)[] | undefined {
  const scale = MILLIVOLTS[origin.code ?? origin.unit ?? ""];
  const tokens = data.split(" ").filter((token) => token !== "");
  if (scale === undefined || (dimensions ?? 1) !== 1 || tokens.length === 0) return undefined;
  const samples: (number | undefined)[] = [];
  for (const token of tokens) {
    if (token === "E" || token === "U" || token === "L") samples.push(undefined);
    else if (Number.isFinite(Number(token))) samples.push(((origin.value ?? 0) + Number(token) * factor) * scale);
    else return undefined;
  }
  return samples;
}

function measuredOf({ code, valueQuantity }: ObservationComponent): Tracing["measured"] {
  const coding = code.coding?.find(({ system }) => system === LOINC);
  if (coding?.code === undefined || valueQuantity?.value === undefined) return [];
  return [{ code: coding.code, display: coding.display, value: valueQuantity.value, unit: valueQuantity.unit ?? valueQuantity.code ?? "" }];
}

/** Whether a lead shows nothing but one value: that of an electrode that is off, or short-circuited. */
export function isFlat({ samples }: Lead): boolean {
  const known = samples.filter((sample) => sample !== undefined);
  return known.length > 1 && known.every((sample) => sample === known[0]);
}

/** Whether a lead has samples from one time to another, and others there are missing. */
export function isBroken({ samples, from: began, period }: Lead, from: number, to: number): boolean {
  const part = samples.slice(Math.max(0, Math.ceil((from - began) / period)), Math.floor((to - began) / period) + 1);
  return part.includes(undefined) && part.some((sample) => sample !== undefined);
}

/** The time a column of leads takes, in milliseconds, and how many a sheet has. */
export const COLUMN = 2_500;
export const COLUMNS = 4;
/** What a sheet shows of a tracing, in milliseconds. */
export const SHEET = COLUMN * COLUMNS;

/** One piece of a sheet: a lead, and which part of its time is drawn where. */
export interface Piece {
  name: string;
  lead: Lead | undefined;
  row: number;
  column: number;
  /** From when to when, in milliseconds since the tracing began. */
  from: number;
  to: number;
}

/**
 * How a tracing is laid out: three rows of four leads, each column the time after the one before, and the rhythm strip
 * below; leads beyond the twelve stand in rows of their own before it. Each of the twelve has its place, also when it is
 * missing.
 *
 * @param start the time at the left end of the sheet, in milliseconds since the tracing began
 */
export function layout({ leads, length }: Pick<Tracing, "leads" | "length">, start: number): { pieces: Piece[]; rows: number; span: number } {
  // Devices that record the columns one after another give each lead a time of its own, and it is drawn from there.
  const span = Math.min(SHEET, Math.max(length - start, 0));
  const step = Math.min(COLUMN, span / COLUMNS);
  const known = [...TWELVE.flat(), ...OTHERS] as string[];
  const rest = [...leads.keys()].filter((name) => !known.includes(name));
  const beyond = [...OTHERS.filter((name) => leads.has(name)), ...rest];
  const rows: string[][] = [...TWELVE.map((row) => [...row])];
  for (let at = 0; at < beyond.length; at += COLUMNS) rows.push(beyond.slice(at, at + COLUMNS));
  const pieces = rows.flatMap((names, row) =>
    names.map((name, column): Piece => {
      const lead = leads.get(name);
      const own = start + column * step;
      // A lead that has nothing at its column's time is drawn from its own beginning.
      const covers = lead === undefined || (lead.from <= own + 1 && lead.from + lead.period * lead.samples.length >= own + step / 2);
      const from = covers ? own : lead.from;
      return { name, lead, row, column, from, to: from + step };
    }),
  );
  pieces.push({ name: RHYTHM, lead: leads.get(RHYTHM), row: rows.length, column: 0, from: start, to: start + span });
  return { pieces, rows: rows.length + 1, span };
}

/**
 * The line of a lead from one time to another, in millimetres right of where it begins and below its zero line. Where a
 * sample is missing the line is broken: nothing is drawn that was not measured.
 */
export function lineOf({ samples, from: began, period }: Lead, from: number, to: number, speed: number, gain: number): string {
  const first = Math.max(0, Math.ceil((from - began) / period));
  const last = Math.min(samples.length - 1, Math.floor((to - began) / period));
  let line = "";
  let isDrawing = false;
  for (let at = first; at <= last; at += 1) {
    const sample = samples[at];
    if (sample === undefined) {
      isDrawing = false;
      continue;
    }
    const x = ((began + at * period - from) / 1000) * speed;
    line += `${isDrawing ? "L" : "M"}${x.toFixed(3)} ${(-sample * gain).toFixed(3)}`;
    isDrawing = true;
  }
  return line;
}

/** What lies between two points of a sheet: milliseconds, millivolts, and beats a minute where that can be a heart's. */
export function measure(width: number, height: number, speed: number, gain: number): { time: number; voltage: number; rate: number | undefined } {
  const time = (Math.abs(width) / speed) * 1000;
  const voltage = Math.abs(height) / gain;
  const rate = 60_000 / time;
  return { time, voltage, rate: rate >= 20 && rate <= 350 ? rate : undefined };
}

/** When a report's recording was made, and whether somebody has read it. */
export function standingOf({ status, resultsInterpreter, conclusion }: DiagnosticReport): "read" | "unread" {
  const isRead = (status === "preliminary" || status === "final" || status === "amended" || status === "corrected") && (resultsInterpreter !== undefined || conclusion !== undefined);
  return isRead ? "read" : "unread";
}
