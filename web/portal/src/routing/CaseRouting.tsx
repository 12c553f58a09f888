import type { RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { firstPapers } from "../runs/Papers";
import { aboutRun } from "../runs/reading";
import { answersTo } from "../runs/warning";
import { useService, useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import type { Site } from "./reading";
import { RoutingCard } from "./RoutingCard";
import { isThere, pathwayOf, useBrought, useWhere } from "./where";

/** The item of a warning in which the crew says why they bring somebody where they do. */
const DESTINATION = "destination";

/** Why the patient of a case is brought where they are, and asked by one touch where they are best brought while they are on the way. */
export function CaseRouting({ run }: { run: RunView }) {
  const { t } = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  const why = useWhy(run);
  const pathway = pathwayOf(run);
  const isOpen = run.end === undefined && pathway !== undefined && !isThere(run);
  if (!isOpen && why === undefined) return null;
  return (
    <section className="card" aria-label={t("routing.case")}>
      <h2>{t("routing.case")}</h2>
      {why !== undefined && (
        <>
          <h3>{t("routing.sent")}</h3>
          <ul className="routing-sent">
            {why.split("\n").map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </>
      )}
      {isOpen && !isAsked && (
        <>
          <p className="hint">{t("routing.case.none")}</p>
          <button type="button" className="button-link" onClick={() => setIsAsked(true)}>
            {t("routing.title")}
          </button>
        </>
      )}
      {isOpen && isAsked && <Decided run={run} pathway={pathway} />}
    </section>
  );
}

/** What the crew said of why they come here, as it was sent with the warning. */
function useWhy(run: RunView): string | undefined {
  const service = useService();
  const found = useQuery({
    queryKey: [...aboutRun(run.id), "destination", run.response ?? ""],
    enabled: run.response !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<string | null> => {
      const [first] = await firstPapers(service, run, signal);
      return answersTo(first, DESTINATION)[0]?.valueString ?? null;
    },
  });
  return found.data ?? undefined;
}

/**
 * The hospital a form asks for, recommended by what each can treat, how far it is and what it takes now: chosen by one touch,
 * with the reasons against each of the others in sight.
 */
export default function RoutingAnswer({ to, onChoose }: { to: string | undefined; onChoose(site: Site): void }) {
  const { t } = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  const brought = useBrought();
  if (brought === undefined) return null;
  return (
    <div className="routing-answer">
      <button type="button" className="button-link" aria-expanded={isAsked} onClick={() => setIsAsked(!isAsked)}>
        {t(isAsked ? "routing.answer.hide" : "routing.answer")}
      </button>
      {isAsked && <Decided run={brought.run} pathway={brought.pathway} to={to} onChoose={onChoose} />}
    </div>
  );
}

function Decided({ run, pathway, to, onChoose }: { run: RunView; pathway: string; to?: string | undefined; onChoose?: (site: Site) => void }) {
  const { t } = useTexts();
  const own = postOf(useSession())?.organization;
  const { isLooking, from, routed } = useWhere(run, pathway);
  if (isLooking) return <Loading rows={2} />;
  if (from === undefined) return <p className="hint">{t("routing.case.noPosition")}</p>;
  return (
    <>
      <p className="hint">{t(`routing.case.${from}`)}</p>
      {routed.isPending && <Loading rows={3} />}
      {routed.isError && <FailureNotice cause={routed.error} retry={() => void routed.refetch()} />}
      {routed.isSuccess && <RoutingCard routed={routed.data} to={to} own={own === undefined ? undefined : `Organization/${own}`} {...(onChoose !== undefined && { onChoose })} />}
    </>
  );
}
