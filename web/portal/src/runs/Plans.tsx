import type { CarePlan, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Suspense } from "react";
import { useTexts } from "../language";
import { part } from "../part";
import { useService } from "../session";
import { Loading } from "../states";
import { aboutRun } from "./reading";
import { say } from "./words";

const PlanView = part(() => import("../views/PlanView"));

/** The plans of care a run wrote, as they stand now. What may not be read is as if it were not there. */
export function Plans({ run }: { run: RunView }) {
  const { locale } = useTexts();
  const made = (run.made ?? []).filter(({ reference }) => reference.startsWith("CarePlan/"));
  return made.map(({ code, title, reference }) => <PlanOf key={code} run={run} reference={reference} title={say(locale, title)} />);
}

function PlanOf({ run, reference, title }: { run: RunView; reference: string; title: string }) {
  const service = useService();
  const plan = useQuery({
    queryKey: [...aboutRun(run.id), "plan", reference],
    retry: false,
    queryFn: ({ signal }) => service.read<CarePlan>("CarePlan", reference.slice("CarePlan/".length), signal),
  });
  if (plan.data === undefined) return null;
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      <Suspense fallback={<Loading />}>
        <PlanView plan={plan.data} />
      </Suspense>
    </section>
  );
}
