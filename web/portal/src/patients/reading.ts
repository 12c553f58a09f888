import {
  Failure,
  type Answer,
  type Flag,
  type Organization,
  type Parameters,
  type Patient,
  type Reference,
  type Resource,
  type Service,
} from "@qingshan/client";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { allergiesOf, entryOf, extend, firstPage, kinds, merge, nextKinds, type Entry, type Kind, type Read } from "./timeline";
import { BLOOD_PRESSURE, LOINC, TEMPERATURE } from "./vitals";

/** The cache key of everything about one person; what happens to them makes all of it stale. */
export const about = (patient: string) => ["patient", patient] as const;

/** The person's own data. */
export function usePatient(service: Service, id: string) {
  return useQuery({
    queryKey: [...about(id), "self"],
    queryFn: ({ signal }) => service.read<Patient>("Patient", id, signal),
  });
}

/**
 * Every id under which the record knows this person. The one that was opened is always among them, also where nobody
 * keeps an index of persons.
 */
export function useIds(service: Service, id: string) {
  return useQuery({
    queryKey: [...about(id), "person"],
    queryFn: async ({ signal }): Promise<string[]> => {
      const answer = await service
        .operation<Parameters>(`Patient/${encodeURIComponent(id)}/$person`, undefined, signal)
        .catch((cause: unknown) => {
          if (cause instanceof Failure && (cause.kind === "missing" || cause.kind === "invalid")) return undefined;
          throw cause;
        });
      const others = (answer?.parameter ?? []).map(({ valueReference, valueId }) => valueReference?.reference ?? valueId);
      const ids = others.map((other) => other?.replace(/^Patient\//, "")).filter((other) => other !== undefined);
      return [...new Set([id, ...ids])];
    },
  });
}

/** What every page shows of a person besides who they are. Each part may be refused by itself. */
export interface Glance {
  allergies: Part<ReturnType<typeof allergiesOf>>;
  alerts: Part<Flag[]>;
  /** Visits that are going on. */
  visits: Part<Entry[]>;
  bloodPressure: Entry | undefined;
  temperature: Entry | undefined;
}

export type Part<T> = { found: T } | { failure: Failure };

/** Allergies, alerts, open visits and the latest vital signs, in one request. */
export function useGlance(service: Service, id: string, ids: readonly string[] | undefined) {
  return useQuery({
    queryKey: [...about(id), "glance", ...(ids ?? [])],
    enabled: ids !== undefined,
    queryFn: async ({ signal }): Promise<Glance> => {
      const patient = `patient=${encodeURIComponent((ids ?? [id]).join(","))}`;
      const latest = (...codes: string[]) => {
        const code = codes.map((code) => `${LOINC}|${code}`).join(",");
        return `/fhir/Observation?${patient}&code=${encodeURIComponent(code)}&status:not=entered-in-error&_sort=-date&_count=1`;
      };
      const [allergies, alerts, visits, bloodPressure, temperature] = await service.pages(
        [
          `/fhir/AllergyIntolerance?${patient}&_count=50`,
          `/fhir/Flag?${patient}&_count=20`,
          `/fhir/Encounter?${patient}&status=arrived,triaged,in-progress,onleave&_sort=-date&_count=5`,
          latest(BLOOD_PRESSURE.code, "55284-4"),
          latest(TEMPERATURE.code),
        ],
        signal,
      );
      const first = (answer: typeof allergies): Entry | undefined => {
        const found: Resource | undefined = answer !== undefined && "page" in answer ? answer.page.found[0] : undefined;
        return found && entryOf(found);
      };
      return {
        allergies: part(allergies, allergiesOf),
        alerts: part(alerts, (found) => (found as Flag[]).filter((flag) => flag.status === "active")),
        visits: part(visits, (found) => found.map(entryOf).filter((entry) => entry !== undefined)),
        bloodPressure: first(bloodPressure),
        temperature: first(temperature),
      };
    },
  });
}

function part<T>(answer: Answer<Resource> | undefined, read: (found: Resource[]) => T): Part<T> {
  if (answer !== undefined && "page" in answer) return { found: read(answer.page.found) };
  return { failure: answer?.failure ?? new Failure("fault", undefined) };
}

/** Whose timeline is read, and how far back. */
interface Asked {
  ids: readonly string[];
  /** The first day, if not all are asked for. */
  since: string | undefined;
}

/** The timeline as far as it was read. */
interface Timeline {
  reads: Partial<Record<Kind, Read>>;
  failures: Partial<Record<Kind, Failure>>;
}

/** What was read of the kinds that are shown. */
function chosen(reads: Timeline["reads"], only: readonly Kind[] | undefined): Timeline["reads"] {
  return Object.fromEntries(Object.entries(reads).filter(([kind]) => only?.includes(kind as Kind) ?? true));
}

/**
 * Reads on those of the shown kinds at whose end the timeline stops; all kinds at the beginning. Pages build on one
 * another.
 */
async function readOn(
  service: Service,
  { ids, since }: Asked,
  only: readonly Kind[] | undefined,
  so: Timeline | undefined,
  signal: AbortSignal,
): Promise<Timeline> {
  const asked = so === undefined ? kinds : nextKinds(chosen(so.reads, only));
  if (so !== undefined && asked.length === 0) return so;
  const addresses = asked.map((kind) => so?.reads[kind]?.next ?? firstPage(kind, ids, since));
  const answers = await service.pages(addresses, signal);
  const timeline: Timeline = { reads: { ...so?.reads }, failures: { ...so?.failures } };
  for (const [place, kind] of asked.entries()) {
    const answer = answers[place];
    if (answer !== undefined && "page" in answer) timeline.reads[kind] = extend(so?.reads[kind], answer.page);
    else timeline.failures[kind] = answer?.failure ?? new Failure("fault", undefined);
  }
  // When nothing at all could be read, that is the answer; when some could, the gaps are told beside it.
  const [failure] = Object.values(timeline.failures);
  if (failure !== undefined && Object.keys(timeline.reads).length === 0) throw failure;
  return timeline;
}

/** One timeline of all kinds, newest first, and how to read on. */
export function useTimeline(service: Service, id: string, asked: Asked, only: readonly Kind[] | undefined) {
  const query = useInfiniteQuery({
    queryKey: [...about(id), "timeline", asked.since ?? "", ...asked.ids],
    queryFn: ({ pageParam, signal }) => readOn(service, asked, only, pageParam, signal),
    initialPageParam: undefined as Timeline | undefined,
    getNextPageParam: (last) => (merge(Object.values(last.reads)).hasMore ? last : undefined),
  });
  const last = query.data?.pages.at(-1);
  const shown = merge(Object.values(chosen(last?.reads ?? {}, only)));
  return { query, ...shown, failures: Object.entries(last?.failures ?? {}) as [Kind, Failure][] };
}

/** The names of institutions, by id. Those that cannot be read are left out. */
export function usePlaceNames(service: Service, places: readonly Reference[]) {
  const ids = [...new Set(places.map((place) => place.reference?.split("/")[1]).filter((id) => id !== undefined))].sort();
  const names = useQuery({
    queryKey: ["organization-names", ...ids],
    enabled: ids.length > 0,
    staleTime: 600_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<Map<string, string>> => {
      const params = { _id: ids.join(","), _count: String(ids.length), _elements: "name" };
      const { found } = await service.search<Organization>("Organization", params, signal);
      return new Map(found.map((organization) => [organization.id ?? "", organization.name ?? ""]));
    },
  });
  return (place: Reference | undefined): string | undefined =>
    (place && names.data?.get(place.reference?.split("/")[1] ?? "")) || place?.display;
}
