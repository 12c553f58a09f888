/** A centre of one pathway, as the published map says it. */
export interface Centre {
  pathway: string;
  name: string;
  level: string | null;
  capabilities: string[];
  hotline: string | null;
  certified: string | null;
  suspended: boolean;
  live: { status: string; said: string } | null;
}

/** A site of the map. */
export interface Place {
  location: string;
  name: string;
  institution: string;
  english: string | null;
  latitude: number | null;
  longitude: number | null;
  rows: Centre[];
}

/** The map as everybody may read it. */
export interface Published {
  "as-of": string;
  stale: number;
  edition: { number: number; from: string; note: string | null; inForce: boolean };
  editions: { number: number; from: string }[];
  sites: Place[];
  roads: { class: string; points: [longitude: number, latitude: number][] }[];
}

/** Nothing was published, or not under this number. */
export class Unpublished extends Error {}

/** Reads an edition; the one in force when none is named. Nobody has to be signed in. */
export async function published(edition: string | null, signal: AbortSignal): Promise<Published> {
  const answer = await fetch(edition === null ? "/map.json" : `/map.json?edition=${encodeURIComponent(edition)}`, { signal, credentials: "omit" });
  if (answer.status === 404) throw new Unpublished();
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()) as Published;
}

/** Where somebody is, in degrees. */
export interface Position {
  latitude: number;
  longitude: number;
}

/**
 * What a centre takes at a moment, and how many minutes ago that was said. What is too old, or from the future, is not known,
 * and never looks as if all could come.
 */
export function takingOf(live: Centre["live"], stale: number, now: number): { taking: "open" | "limited" | "diverted" | "unknown"; minutes: number } {
  const age = live === null ? Number.NaN : (now - Date.parse(live.said)) / 60_000;
  const minutes = Math.max(0, Math.floor(age));
  if (!(age >= -1 && age <= stale)) return { taking: "unknown", minutes };
  const taking = (["open", "limited", "diverted"] as const).find((one) => one === live?.status);
  return { taking: taking ?? "unknown", minutes };
}

/** How far two places are apart in a straight line, in kilometres. */
export function kilometres(from: Position, to: Position): number {
  const radians = Math.PI / 180;
  const half = (degrees: number) => Math.sin((degrees * radians) / 2) ** 2;
  const chord = half(to.latitude - from.latitude) + Math.cos(from.latitude * radians) * Math.cos(to.latitude * radians) * half(to.longitude - from.longitude);
  return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, chord)));
}

/** A centre with its place, and how far it is from somebody. */
export interface Near {
  place: Place;
  centre: Centre;
  far: number | undefined;
}

/** The centres of a pathway that patients can be brought to, the nearest first; by their names while nobody knows where one is. */
export function nearest(sites: readonly Place[], pathway: string, from: Position | undefined): Near[] {
  const all = sites.flatMap((place) =>
    place.rows
      .filter((centre) => centre.pathway === pathway && !centre.suspended)
      .map((centre): Near => {
        const at = place.latitude === null || place.longitude === null ? undefined : { latitude: place.latitude, longitude: place.longitude };
        return { place, centre, far: from === undefined || at === undefined ? undefined : kilometres(from, at) };
      }),
  );
  return all.sort((left, right) => (left.far ?? Infinity) - (right.far ?? Infinity) || left.place.institution.localeCompare(right.place.institution, "zh-CN"));
}

/** A frame in which longitudes and latitudes lie on a sheet of a width, true in both directions. */
export function frameOf(points: readonly (readonly [number, number])[], width: number): { height: number; place(longitude: number, latitude: number): [number, number] } {
  const EDGE = 40;
  if (points.length === 0) return { height: width / 2, place: () => [width / 2, width / 4] };
  const longitudes = points.map(([longitude]) => longitude);
  const latitudes = points.map(([, latitude]) => latitude);
  const [west, east, south, north] = [Math.min(...longitudes), Math.max(...longitudes), Math.min(...latitudes), Math.max(...latitudes)];
  const narrow = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const across = Math.max((east - west) * narrow, 0.01);
  const scale = (width - 2 * EDGE) / across;
  const height = Math.max(240, (north - south) * scale + 2 * EDGE);
  return { height, place: (longitude, latitude) => [EDGE + (longitude - west) * narrow * scale, height - EDGE - (latitude - south) * scale] };
}
