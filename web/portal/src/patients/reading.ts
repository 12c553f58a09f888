import { Failure, type Patient, type Resource, type Service } from "@qingshan/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
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

/** What every page shows of a person besides who they are. Each part may be refused by itself. */
export interface Glance {
  allergies: { found: ReturnType<typeof allergiesOf> } | { failure: Failure };
  bloodPressure: Entry | undefined;
  temperature: Entry | undefined;
}

/** Allergies and the latest vital signs, in one request. */
export function useGlance(service: Service, id: string) {
  return useQuery({
    queryKey: [...about(id), "glance"],
    queryFn: async ({ signal }): Promise<Glance> => {
      const patient = `patient=${encodeURIComponent(id)}`;
      const latest = (...codes: string[]) => {
        const code = codes.map((code) => `${LOINC}|${code}`).join(",");
        return `/fhir/Observation?${patient}&code=${encodeURIComponent(code)}&status:not=entered-in-error&_sort=-date&_count=1`;
      };
      const [allergies, bloodPressure, temperature] = await service.pages(
        [
          `/fhir/AllergyIntolerance?${patient}&_count=50`,
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
        allergies:
          allergies !== undefined && "page" in allergies
            ? { found: allergiesOf(allergies.page.found) }
            : { failure: allergies?.failure ?? new Failure("fault", undefined) },
        bloodPressure: first(bloodPressure),
        temperature: first(temperature),
      };
    },
  });
}

/** The timeline as far as it was read. */
interface Timeline {
  reads: Partial<Record<Kind, Read>>;
  failures: Partial<Record<Kind, Failure>>;
}

/** Reads on the kinds at whose end the timeline stops; all of them at the beginning. Pages build on one another. */
async function readOn(service: Service, id: string, so: Timeline | undefined, signal: AbortSignal): Promise<Timeline> {
  const asked = so === undefined ? kinds : nextKinds(so.reads);
  const addresses = asked.map((kind) => so?.reads[kind]?.next ?? firstPage(kind, id));
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
export function useTimeline(service: Service, id: string, only: Kind | undefined) {
  const query = useInfiniteQuery({
    queryKey: [...about(id), "timeline"],
    queryFn: ({ pageParam, signal }) => readOn(service, id, pageParam, signal),
    initialPageParam: undefined as Timeline | undefined,
    getNextPageParam: (last) => (merge(Object.values(last.reads)).hasMore ? last : undefined),
  });
  const last = query.data?.pages.at(-1);
  const reads = Object.entries(last?.reads ?? {}) as [Kind, Read][];
  const shown = merge(reads.filter(([kind]) => only === undefined || kind === only).map(([, read]) => read));
  return { query, ...shown, failures: (Object.entries(last?.failures ?? {}) as [Kind, Failure][]) };
}
