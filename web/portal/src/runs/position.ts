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

/** When somebody is expected, by the newest observation that says so. */
export function expectedOf(observations: readonly (Observation & { valueDateTime?: When })[]): { eta: When; at: number } | undefined {
  const all = observations.flatMap((one) => {
    const at = Date.parse(one.effectiveDateTime ?? "");
    return one.status === "entered-in-error" || one.valueDateTime === undefined || Number.isNaN(at) ? [] : [{ eta: one.valueDateTime, at }];
  });
  return all.sort((one, other) => other.at - one.at)[0];
}

/** How long before a run began a position still belongs to it, in milliseconds: the crew was under way before it warned. */
const BEFORE = 3_600_000;

/** From when on what is told from the road belongs to runs, as a parameter of a search. */
export const sinceBefore = (runs: readonly Pick<RunView, "began">[]): string =>
  `ge${new Date(Math.min(...runs.map(({ began }) => Date.parse(began))) - BEFORE).toISOString()}`;
