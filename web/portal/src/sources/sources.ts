import type { Bundle, Device, Observation } from "@qingshan/client";

/** The system of identifiers that say which machine client a Device is. */
const CLIENT = "https://qingshan.dev/fhir/sid/client";
const SKEW = "clock-skew";

/** What a source's clock showed once. */
export interface Measured {
  /** When, in milliseconds since 1970, by the clock of the platform. */
  at: number;
  /** By how much it was ahead, in milliseconds; behind when negative. */
  ahead: number;
  /** How far that may be wrong, in milliseconds; without it the clock is at least so far ahead. */
  within: number | undefined;
  isGood: boolean;
  /** How far it may be off, in milliseconds. */
  most: number | undefined;
}

/** A system that writes to the record, and its clock. */
export interface Source {
  /** Its Device, as a reference. */
  reference: string;
  /** The machine client it writes as. */
  client: string | undefined;
  name: string;
  /** What was measured, the newest first. */
  measured: Measured[];
}

const millis = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(seconds * 1000));

function measuredOf(one: Observation): Measured | undefined {
  const at = Date.parse(one.effectiveDateTime ?? "");
  const ahead = millis(one.valueQuantity?.value);
  if (Number.isNaN(at) || ahead === undefined) return undefined;
  const within = one.component?.find(({ code }) => code.coding?.some((coding) => coding.code === "clock-within"))?.valueQuantity?.value;
  const isGood = one.interpretation?.[0]?.coding?.[0]?.code === "N";
  return { at, ahead, within: millis(within), isGood, most: millis(one.referenceRange?.[0]?.high?.value) };
}

/** The sources of an answer of `Device/$clocks`, those that are off first. */
export function sourcesOf(bundle: Bundle): Source[] {
  const resources = (bundle.entry ?? []).flatMap(({ resource }) => resource ?? []);
  const devices = new Map(resources.filter((one): one is Device => one.resourceType === "Device").map((one) => [`Device/${one.id}`, one]));
  const sources = new Map<string, Source>();
  for (const one of resources) {
    if (one.resourceType !== "Observation") continue;
    const observation = one as Observation;
    const reference = observation.subject?.reference;
    const measured = measuredOf(observation);
    const isSkew = observation.code.coding?.some(({ code }) => code === SKEW) === true;
    if (reference === undefined || measured === undefined || !isSkew) continue;
    const device = devices.get(reference);
    const client = device?.identifier?.find(({ system }) => system === CLIENT)?.value;
    const name = device?.deviceName?.[0]?.name ?? client ?? reference;
    const source = sources.get(reference) ?? { reference, client, name, measured: [] };
    source.measured.push(measured);
    sources.set(reference, source);
  }
  for (const { measured } of sources.values()) measured.sort((one, other) => other.at - one.at);
  const off = ({ measured: [newest] }: Source) => (newest === undefined || newest.isGood ? 0 : Math.abs(newest.ahead));
  return [...sources.values()].sort((one, other) => off(other) - off(one) || one.name.localeCompare(other.name));
}

/** The source that somebody who writes is, if it is one. */
export function sourceOf(sources: readonly Source[], by: string | undefined): Source | undefined {
  return sources.find(({ reference, client }) => by !== undefined && (by === reference || by === `client/${client ?? ""}`));
}

/**
 * What a source's clock showed when it wrote something: the last time it was measured before that, else the first time
 * after it. Nothing when it was right.
 */
export function skewAt({ measured }: Source, moment: number): Measured | undefined {
  const found = measured.find(({ at }) => at <= moment) ?? measured.at(-1);
  return found === undefined || found.isGood ? undefined : found;
}
