import type { Observation, RunView, When } from "@qingshan/client";

/** The system of observations that no standard names. */
const QINGSHAN = "https://qingshan.dev/fhir/CodeSystem/observation";
/** Where a vehicle is; and when somebody is expected, where no form says so. */
export const POSITION = "vehicle-position";
export const ETA = "eta";
/** What to search for. */
export const CODES = `${QINGSHAN}|${POSITION},${QINGSHAN}|${ETA}`;

/** How old a position may be before that is told, in milliseconds: it is refreshed every thirty seconds (院前预警). */
export const FRESH = 30_000;

export interface Position {
  latitude: number;
  longitude: number;
  at: number;
}

/** The newest position among observations. An ETA may carry one as well. */
export function positionOf(observations: readonly Observation[]): Position | undefined {
  const all = observations.flatMap((one): Position[] => {
    const part = (code: string) => one.component?.find((component) => component.code.coding?.some((coding) => coding.code === code))?.valueQuantity?.value;
    const [latitude, longitude, at] = [part("latitude"), part("longitude"), Date.parse(one.effectiveDateTime ?? "")];
    return one.status === "entered-in-error" || latitude === undefined || longitude === undefined || Number.isNaN(at) ? [] : [{ latitude, longitude, at }];
  });
  return all.reduce<Position | undefined>((newest, one) => (newest === undefined || one.at > newest.at ? one : newest), undefined);
}

/** How it was worked out from where the vehicle is when it arrives: along roads, or in a straight line. */
export type Way = "road" | "line";

/** The system of the codes that say how it is known when somebody is expected, and those codes. */
export const ETA_METHOD = "https://qingshan.dev/fhir/CodeSystem/eta-method";
export const CREW = "crew";
const WAYS: Readonly<Record<string, Way>> = { "by-road": "road", "straight-line": "line" };

type Told = Observation & { valueDateTime?: When; method?: { coding?: { system?: string; code?: string }[] } };

const methodOf = ({ method }: Told): string | undefined => method?.coding?.find(({ system }) => system === ETA_METHOD)?.code;
const wayOf = (one: Told): Way | undefined => WAYS[methodOf(one) ?? ""];

const newest = (observations: readonly Told[]): { eta: When; at: number; one: Told } | undefined => {
  const all = observations.flatMap((one) => {
    const at = Date.parse(one.effectiveDateTime ?? "");
    const isTold = one.status !== "entered-in-error" && one.status !== "cancelled" && one.valueDateTime !== undefined && !Number.isNaN(Date.parse(one.valueDateTime));
    return isTold && !Number.isNaN(at) ? [{ eta: one.valueDateTime ?? "", at, one }] : [];
  });
  return all.sort((one, other) => other.at - one.at)[0];
};

/** When somebody is expected, by the newest observation in which somebody says so. */
export function expectedOf(observations: readonly Told[]): { eta: When; at: number } | undefined {
  const found = newest(observations.filter((one) => wayOf(one) === undefined));
  return found && { eta: found.eta, at: found.at };
}

/** When somebody is expected, as it was worked out last from where the vehicle is; `at` is when it was there. */
export function reckonedOf(observations: readonly Told[]): { eta: When; at: number; way: Way } | undefined {
  const found = newest(observations.filter((one) => wayOf(one) !== undefined));
  return found && { eta: found.eta, at: found.at, way: wayOf(found.one) ?? "line" };
}

/** When a crew last took back what it had said, so that what is worked out counts again. */
export function liftedAt(observations: readonly Told[]): number | undefined {
  const all = observations.filter((one) => one.status === "cancelled" && methodOf(one) === CREW).map(({ effectiveDateTime }) => Date.parse(effectiveDateTime ?? ""));
  const known = all.filter((at) => !Number.isNaN(at));
  return known.length === 0 ? undefined : Math.max(...known);
}

/** How long before a run began a position still belongs to it, in milliseconds: the crew was under way before it warned. */
const BEFORE = 3_600_000;

/** From when on what is told from the road belongs to runs, as a parameter of a search. */
export const sinceBefore = (runs: readonly Pick<RunView, "began">[]): string =>
  `ge${new Date(Math.min(...runs.map(({ began }) => Date.parse(began))) - BEFORE).toISOString()}`;
