import { Runs, type Observation, type Protocol, type Service, type Task } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useLive } from "../live";
import { CODES, sinceBefore } from "../runs/position";
import { useService } from "../session";
import { PROTOCOL, RUN } from "../work/worklist";
import { isOnBoard, placeOf, roadsOf, type Case, type Road } from "./board";
import { Watch, type Source } from "./watch";

/** How often those who are still on the road are read again: where they are does not move their run, in milliseconds. */
const ROAD = 20_000;

/** Whole protocols of one kind: those whose runs belong on a board, unless another kind is asked for. */
export function useBoardProtocols(is: (protocol: Protocol) => boolean = isOnBoard) {
  const service = useService();
  return useQuery({
    queryKey: ["board", "protocols"],
    staleTime: 600_000,
    select: (all: Protocol[]) => all.filter(is),
    queryFn: async ({ signal }) => {
      const runs = new Runs(service);
      const entries = await runs.protocols(signal);
      return Promise.all(entries.map(({ code }) => runs.protocol(code, undefined, signal)));
    },
  });
}

/** Whether somebody is still on the road, as far as anybody knows. */
export const isComing = ({ runs }: Pick<Case, "runs">): boolean => {
  const { kind } = placeOf(runs);
  return kind === "coming" || kind === "unknown";
};

/** What was last told from the road of those who are on it, by the reference of the patient; nothing before it was read. */
export function useRoads(cases: readonly Case[]): ReadonlyMap<string, Road> | undefined {
  const service = useService();
  const coming = useMemo(() => cases.filter(isComing).flatMap(({ runs }) => runs.filter(({ patient }) => patient !== undefined)), [cases]);
  const people = [...new Set(coming.map(({ patient }) => patient?.reference ?? ""))].sort();
  const found = useQuery({
    queryKey: ["board", "roads", people.join()],
    enabled: people.length > 0,
    refetchInterval: ROAD,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const params = { patient: people.join(","), code: CODES, date: sinceBefore(coming), _sort: "-date", _count: "200" };
      return (await service.search<Observation>("Observation", params, signal)).found;
    },
  });
  return useMemo(() => found.data && roadsOf(found.data), [found.data]);
}

const codesOf = (protocols: readonly Protocol[]) => protocols.map(({ code }) => `${PROTOCOL}|${code}`).join(",");

function sourceOf(service: Service, protocols: readonly Protocol[]): Source {
  const runs = new Runs(service);
  return {
    async list() {
      const params = { _tag: `${RUN}|root`, status: "in-progress", code: codesOf(protocols), _elements: "status", _count: "200" };
      return (await service.all<Task>("Task", params)).map(({ id }) => id ?? "");
    },
    run: (id) => runs.withPatient(id),
  };
}

/** The open cases of these protocols, as the record has them, and how the line to it stands. */
export function useCases(protocols: readonly Protocol[]) {
  const service = useService();
  const codes = codesOf(protocols);
  const watch = useMemo(() => new Watch(sourceOf(service, protocols)), [service, codes]);
  useEffect(() => {
    watch.open();
    const timer = setInterval(() => {
      const coming = watch.read().cases.filter(isComing);
      watch.again(coming.flatMap(({ runs }) => runs.map(({ id }) => id)));
    }, ROAD);
    return () => {
      clearInterval(timer);
      watch.close();
    };
  }, [watch]);
  const live = useLive(`Task?_tag=${RUN}|root&status=in-progress&code=${codes}`, (change) => {
    if (change === undefined) watch.missed();
    else watch.changed(change.id);
  });
  return { ...useSyncExternalStore(watch.subscribe, watch.read), live };
}
