import type { Observation, Resource, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { here, type Position } from "../ambulance/here";
import { suspectedOf } from "../board/board";
import { postOf } from "../duties";
import { standing } from "../runs/graph";
import { CODES, positionOf, sinceBefore } from "../runs/position";
import { useService, useSession } from "../session";
import { useRouted, type Question } from "./reading";

/** Protocols whose code is that of a pathway; of any other run, what is suspected says it. */
const PATHWAYS = new Set(["stroke", "chest-pain", "trauma", "obstetric", "newborn"]);

/** Milestones after which the patient is in a house. */
const THERE = ["door", "arrived"] as const;

/** What somebody is brought for, where there is a word for it. */
export const pathwayOf = (run: RunView): string | undefined => (PATHWAYS.has(run.protocol.code) ? run.protocol.code : suspectedOf(run));

/** Whether the patient is in a house, so that only from there they are brought on. */
export const isThere = (run: RunView): boolean => THERE.some((code) => standing(run, code) !== undefined);

/** By what the way is counted from: the vehicle, the own house, or the device. */
export type From = "vehicle" | "own" | "here";

/** How often it is asked whether the vehicle has said where it is, in milliseconds, until it has. */
const AGAIN = 5_000;

/** Where the patient of a run is best brought from where they are now. */
export function useWhere(run: RunView, pathway: string) {
  const service = useService();
  const post = postOf(useSession());
  const patient = run.patient?.reference;
  const inHouse = isThere(run);
  const place = useQuery<(Position & { from: From }) | null>({
    queryKey: ["position", run.id, inHouse, post?.organization],
    // Whoever asks before the first position has come is not left with none.
    refetchInterval: ({ state }) => (inHouse || state.data?.from === "vehicle" ? false : AGAIN),
    queryFn: async ({ signal }) => {
      const house = post?.organization;
      const found = inHouse
        ? house === undefined
          ? undefined
          : (await service.search<Site>("Location", { organization: house, _count: "20" }, signal)).found.map(({ position }) => position).find((one) => one !== undefined)
        : patient === undefined
          ? undefined
          : positionOf((await service.search<Observation>("Observation", { patient, code: CODES, date: sinceBefore([run]), _sort: "-date", _count: "20" }, signal)).found);
      if (found !== undefined) return { latitude: found.latitude, longitude: found.longitude, from: inHouse ? "own" : "vehicle" };
      const own = await here();
      return own === undefined ? null : { ...own, from: "here" };
    },
  });
  const position = place.data ?? undefined;
  const question: Question | undefined =
    position === undefined
      ? undefined
      : { pathway, latitude: position.latitude, longitude: position.longitude, "last-well": standing(run, "onset")?.at, contact: standing(run, "contact")?.at };
  return { isLooking: place.isPending, from: position?.from, routed: useRouted(question) };
}

type Site = Resource & { position?: Position };

const Context = createContext<RunView | undefined>(undefined);

/** Gives the forms within it somebody who is to be brought to a hospital. */
export const BringFrom = Context;

/** Who is to be brought, and for what; nothing where nobody is. */
export function useBrought(): { run: RunView; pathway: string } | undefined {
  const run = useContext(Context);
  const pathway = run && pathwayOf(run);
  return run === undefined || run.end !== undefined || pathway === undefined ? undefined : { run, pathway };
}
