import { Runs, type Patient, type Protocol, type Service, type Task } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useLive } from "../live";
import { useService } from "../session";
import { PROTOCOL, RUN } from "../work/worklist";
import { casesOf, isOnBoard, placeOf } from "./board";
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

const codesOf = (protocols: readonly Protocol[]) => protocols.map(({ code }) => `${PROTOCOL}|${code}`).join(",");

function sourceOf(service: Service, protocols: readonly Protocol[]): Source {
  const runs = new Runs(service);
  return {
    async list() {
      const params = { _tag: `${RUN}|root`, status: "in-progress", code: codesOf(protocols), _elements: "for", _count: "200" };
      const tasks = await service.all<Task>("Task", params);
      return tasks.map((task) => ({ id: task.id ?? "", patient: task.for?.reference }));
    },
    run: (id) => runs.run(id),
    async patients(references) {
      const ids = references.map((one) => one.replace("Patient/", "")).join(",");
      const params = { _id: ids, _elements: "name,gender,birthDate,deceased,meta", _count: "200" };
      return (await service.search<Patient>("Patient", params)).found;
    },
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
      const coming = casesOf(watch.read().runs.values()).filter(({ runs }) => placeOf(runs).kind !== "door");
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
  const watched = useSyncExternalStore(watch.subscribe, watch.read);
  const cases = useMemo(() => casesOf(watched.runs.values()), [watched.runs]);
  return { ...watched, cases, live };
}
