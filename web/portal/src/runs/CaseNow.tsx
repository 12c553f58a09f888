import type { Observation, RunView } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { timeAt } from "../calendar";
import { isLay } from "../duties";
import { CaseEcgs } from "../ecg/CaseEcgs";
import { shownUnit } from "../forms/units";
import { useTexts } from "../language";
import { useLive } from "../live";
import { CaseRouting } from "../routing/CaseRouting";
import { useService, useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import { Sparkline } from "../views/Sparkline";
import { OpenSteps } from "./OpenSteps";
import { aboutRun } from "./reading";
import { parallelOf, ticksOf, trendsOf } from "./trend";
import { WarningVersions } from "./WarningVersions";
import { say } from "./words";
import "./case.css";

/** How long before a run began a measurement still belongs to it, in milliseconds: on the road, or at another hospital. */
const BEFORE = 6 * 3_600_000;

/** What a case for whom clocks run shows before all else: what to do now, what runs at once, and how they are. */
export default function CaseNow({ run, now }: { run: RunView; now: number }) {
  const mayAdd = !isLay(useSession()) && run.end === undefined;
  return (
    <div className="case-now">
      <WarningVersions run={run} />
      <OpenSteps run={run} now={now} />
      <AtOnce run={run} now={now} />
      <CaseRouting run={run} />
      {run.patient !== undefined && <Vitals run={run} patient={run.patient.reference} />}
      {run.patient !== undefined && <CaseEcgs run={run} patient={run.patient.reference} mayAdd={mayAdd} />}
    </div>
  );
}

function AtOnce({ run, now }: { run: RunView; now: number }) {
  const { t, locale } = useTexts();
  const parallel = parallelOf(run, run.end === undefined ? now : Date.parse(run.now), (step) => (step.role && say(locale, step.role.title)) ?? "");
  if (parallel === undefined) return null;
  const { from, to, lanes } = parallel;
  const place = (at: number) => `${(((at - from) / (to - from)) * 100).toFixed(2)}%`;
  const time = (at: number) => timeAt(at).slice(0, 5);
  return (
    <section className="card at-once" aria-label={t("case.atOnce")}>
      <h2>{t("case.atOnce")}</h2>
      <div className="at-once-lanes">
        {lanes.map(({ role, bars }) => (
          <div key={role} className="at-once-lane">
            <span className="at-once-role">{role}</span>
            <ul>
              {bars.map(({ step, from: begun, to: ended, isOpen }) => (
                <li key={`${step.code} ${step.n}`} className={`at-once-bar is-${step.state}${run.blocking.includes(step.code) ? " is-blocking" : ""}`}>
                  <span className="at-once-line" style={{ insetInlineStart: place(begun), width: `max(6px, ${(((ended - begun) / (to - from)) * 100).toFixed(2)}%)` }} />
                  <span className="at-once-what">
                    {say(locale, step.title)}
                    <span className="what"> {isOpen ? t("timeline.from", { from: time(begun) }) : t("timeline.until", { from: time(begun), to: time(ended) })}</span>
                  </span>
                </li>
              ))}
            </ul>
          </div>
        ))}
        <div className="at-once-ticks" aria-hidden>
          {ticksOf(parallel).map((tick) => (
            <span key={tick} style={{ insetInlineStart: place(tick) }}>
              {time(tick)}
            </span>
          ))}
        </div>
      </div>
    </section>
  );
}

function Vitals({ run, patient }: { run: RunView; patient: string }) {
  const texts = useTexts();
  const { t, known } = texts;
  const service = useService();
  const cache = useQueryClient();
  const queryKey = [...aboutRun(run.id), "vitals", patient];
  const since = new Date(Date.parse(run.began) - BEFORE).toISOString();
  const found = useQuery({
    queryKey,
    queryFn: ({ signal }) => service.search<Observation>("Observation", { patient, category: "vital-signs", date: `ge${since}`, _sort: "-date", _count: "200" }, signal),
  });
  useLive(`Observation?patient=${patient}`, () => void cache.invalidateQueries({ queryKey }));
  const trends = trendsOf(found.data?.found ?? []);
  return (
    <section className="card vitals-trend" aria-label={t("case.vitals")}>
      <h2>{t("case.vitals")}</h2>
      {found.isPending && <Loading rows={3} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && trends.length === 0 && <p className="hint">{t("case.vitals.none")}</p>}
      <ul>
        {trends.map(({ code, text, unit, points }) => {
          const last = points.at(-1);
          const before = points.at(-2);
          if (last === undefined) return null;
          return (
            <li key={`${code} ${unit}`}>
              <span>{known("loinc", code) ?? text ?? code}</span>
              <strong>
                {last.value} <span className="what">{shownUnit({ code: unit })}</span>
              </strong>
              <span className="what">
                {timeAt(last.at).slice(0, 5)}
                {before !== undefined && ` · ${last.value > before.value ? "↑" : last.value < before.value ? "↓" : "→"} ${before.value}`}
              </span>
              <Sparkline points={points} width={110} height={30} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
