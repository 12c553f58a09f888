import type { PractitionerRole, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Duty } from "../duties";
import { useService } from "../session";
import { standing } from "./graph";
import { SENT } from "./warning";

/** Duties of those who ride in a vehicle or send it. */
const CREW: readonly Duty[] = ["paramedic", "dispatcher"];

/** Who warned of a run; nothing where nobody did, because the patient came by themselves. */
const warnedBy = (run: RunView): string | undefined => standing(run, SENT)?.by;

/**
 * Tells of which runs a crew or its dispatch centre warned. Of these alone a vehicle tells where it is; a clinic that warns
 * has none, and nothing is missed of it.
 */
export function useCrewed(runs: readonly RunView[]): (run: RunView) => boolean {
  const service = useService();
  const senders = useMemo(() => [...new Set(runs.map(warnedBy).filter((one) => one !== undefined))].sort(), [runs]);
  const people = senders.filter((one) => one.startsWith("Practitioner/"));
  const found = useQuery({
    queryKey: ["crews", people.join()],
    enabled: people.length > 0,
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const roles = await service.all<PractitionerRole>("PractitionerRole", { practitioner: people.join(","), _count: "200" }, signal);
      const rides = (role: PractitionerRole) => role.code?.some(({ coding }) => coding?.some(({ code }) => CREW.some((duty) => duty === code))) === true;
      return roles.filter(rides).map(({ practitioner }) => practitioner?.reference ?? "");
    },
  });
  const crews = new Set([...(found.data ?? []), ...senders.filter((one) => one.startsWith("Device/"))]);
  return (run) => crews.has(warnedBy(run) ?? "");
}
