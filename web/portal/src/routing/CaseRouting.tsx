import type { Observation, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { here, type Position } from "../ambulance/here";
import { QINGSHAN } from "../ambulance/scores";
import { suspectedOf } from "../board/board";
import { standing } from "../runs/graph";
import { useTexts } from "../language";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { useRouted, type Question } from "./reading";
import { RoutingCard } from "./RoutingCard";

/** Protocols whose code is that of a pathway; of any other run, what is suspected says it. */
const PATHWAYS = new Set(["stroke", "chest-pain", "trauma", "obstetric", "newborn"]);

/** Milestones after which nobody decides any more where to. */
const THERE = ["door", "arrived"] as const;

/** Where the patient of a case is best brought, asked by one touch while they are on the way. */
export function CaseRouting({ run }: { run: RunView }) {
  const { t } = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  const pathway = PATHWAYS.has(run.protocol.code) ? run.protocol.code : suspectedOf(run);
  const isThere = THERE.some((code) => standing(run, code) !== undefined);
  if (run.end !== undefined || pathway === undefined || isThere) return null;
  return (
    <section className="card" aria-label={t("routing.case")}>
      <h2>{t("routing.case")}</h2>
      {isAsked ? (
        <Decided run={run} pathway={pathway} />
      ) : (
        <>
          <p className="hint">{t("routing.case.none")}</p>
          <button type="button" className="button-link" onClick={() => setIsAsked(true)}>
            {t("routing.title")}
          </button>
        </>
      )}
    </section>
  );
}

type Placed = Position & { isVehicle: boolean };

function Decided({ run, pathway }: { run: RunView; pathway: string }) {
  const { t } = useTexts();
  const service = useService();
  const patient = run.patient?.reference;
  const found = useQuery({
    queryKey: ["position", run.id],
    queryFn: async ({ signal }): Promise<Placed | null> => {
      const vehicle = patient === undefined ? undefined : await lastPosition();
      if (vehicle !== undefined) return { ...vehicle, isVehicle: true };
      const own = await here();
      return own === undefined ? null : { ...own, isVehicle: false };

      async function lastPosition(): Promise<Position | undefined> {
        const page = await service.search<Observation>("Observation", { patient: patient ?? "", code: `${QINGSHAN}|eta`, _sort: "-date", _count: "5" }, signal);
        return page.found.map(positionOf).find((one) => one !== undefined);
      }
    },
  });
  const position = found.data ?? undefined;
  const onset = standing(run, "onset")?.at;
  const contact = standing(run, "contact")?.at;
  const question: Question | undefined =
    position === undefined ? undefined : { pathway, latitude: position.latitude, longitude: position.longitude, "last-well": onset, contact };
  const routed = useRouted(question);
  if (found.isPending) return <Loading rows={2} />;
  if (position === undefined) return <p className="hint">{t("routing.case.noPosition")}</p>;
  return (
    <>
      <p className="hint">{t(position.isVehicle ? "routing.case.vehicle" : "routing.case.here")}</p>
      {routed.isPending && <Loading rows={3} />}
      {routed.isError && <FailureNotice cause={routed.error} retry={() => void routed.refetch()} />}
      {routed.isSuccess && <RoutingCard routed={routed.data} />}
    </>
  );
}

/** Where a vehicle was, as it said beside when it arrives. */
function positionOf({ component }: Observation): Position | undefined {
  const side = (code: string) => component?.find((part) => part.code?.coding?.some((coding) => coding.code === code))?.valueQuantity?.value;
  const [latitude, longitude] = [side("latitude"), side("longitude")];
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
}
