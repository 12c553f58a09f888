import type { Patient, RunStep, RunView, Task } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { isLay } from "../duties";
import { Documents } from "../documents/Documents";
import { useTexts } from "../language";
import { LiveMark, StaleBanner, useLive } from "../live";
import { told } from "../mine/underWay";
import { Banner } from "../patients/Banner";
import { nameOf as nameOfPatient } from "../patients/person";
import { useGlance, useIds, usePatient } from "../patients/reading";
import { useRelations } from "../patients/relation";
import { useOtherTabs } from "../patients/tabs";
import { ClockBar, ClockMark } from "../runs/ClockMark";
import { Grounds } from "../runs/Grounds";
import { Papers } from "../runs/Papers";
import { nameOf } from "../runs/RunPage";
import { aboutRun, useProtocol, useRun } from "../runs/reading";
import { useSummary } from "../runs/summary";
import { useTick } from "../runs/tick";
import { classTag, say } from "../runs/words";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { showMoment } from "../views/Readable";
import { Doing } from "./Doing";
import { clocksOf, followed } from "./next";
import { useSettled } from "./settled";
import "../patients/patients.css";
import "../runs/runs.css";
import "./tasks.css";

/** One thing somebody is to do: for whom, by when, and the ways to be done with it. */
export default function TaskPage({ id }: { id: string }) {
  const service = useService();
  const task = useQuery({ queryKey: ["task", id], queryFn: ({ signal }) => service.read<Task>("Task", id, signal) });
  const run = task.data?.partOf?.[0]?.reference?.replace("Task/", "");
  if (task.isError && task.data === undefined) return <FailureNotice cause={task.error} retry={() => void task.refetch()} />;
  if (task.data === undefined) return <Loading rows={8} />;
  if (run === undefined) return <NoStep />;
  return <InRun id={id} run={run} />;
}

function NoStep() {
  const { t } = useTexts();
  return <Nothing title={t("task.none")} help={t("task.none.help")} />;
}

function InRun({ id, run: runId }: { id: string; run: string }) {
  const { t } = useTexts();
  const cache = useQueryClient();
  const view = useRun(runId);
  const live = useLive(`Task/${runId}`, () => void cache.invalidateQueries({ queryKey: aboutRun(runId) }));
  const step = view.data?.run.steps.find(({ task }) => task === id);
  return (
    <section className="task stack" aria-label={t("task.label")}>
      <div className="sticky">
        <StaleBanner state={live.state} retry={live.retry} />
        {view.data?.run.patient !== undefined && <Whom reference={view.data.run.patient.reference} />}
      </div>
      {view.isPending && <Loading rows={8} />}
      {view.isError && view.data === undefined && <FailureNotice cause={view.error} retry={() => void view.refetch()} />}
      {view.data !== undefined && step === undefined && <NoStep />}
      {view.data !== undefined && step !== undefined && (
        <Step run={view.data.run} behind={view.data.behind} step={step} mark={<LiveMark state={live.state} />} />
      )}
    </section>
  );
}

/** Who it is for, and what may harm them. */
function Whom({ reference }: { reference: string }) {
  const service = useService();
  const id = reference.replace("Patient/", "");
  const patient = usePatient(service, id);
  if (patient.isError && patient.data === undefined) return <FailureNotice cause={patient.error} retry={() => void patient.refetch()} />;
  return patient.data === undefined ? <Loading rows={2} /> : <WhomBanner id={id} patient={patient.data} />;
}

function WhomBanner({ id, patient }: { id: string; patient: Patient }) {
  const { t } = useTexts();
  const service = useService();
  const relations = useRelations(service, id);
  const ids = useIds(service, id);
  const glance = useGlance(service, id, ids.data);
  const others = useOtherTabs(id, nameOfPatient(patient) ?? t("patient.nameless"));
  const isClosed = relations.data?.isClosed === true;
  return (
    <>
      <Banner patient={patient} glance={glance.data} relations={relations.isError ? null : relations.data} others={others} isClosed={isClosed} />
      <p className="task-record">
        <Link href={`/patients/${encodeURIComponent(id)}`}>{t("task.record")}</Link>
      </p>
    </>
  );
}

function Step({ run, behind, step, mark }: { run: RunView; behind: number; step: RunStep; mark: ReactNode }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  const session = useSession();
  const [before, setBefore] = useState<RunView>();
  const showLine = useSummary(run.summary);
  const clocks = clocksOf(protocol.data, run, step);
  const now = useTick(clocks) + behind;
  const who = [...new Set([nameOf(run, step.party?.reference) ?? step.party?.display, step.role && say(locale, step.role.title)])].filter(Boolean).join(" · ");
  const isOpen = step.state === "ready" || step.state === "taken";
  const isSettled = useSettled();
  return (
    <>
      <header className="card task-head">
        <p className="task-of">
          <Link href={`/runs/${encodeURIComponent(run.id)}`}>{say(locale, run.protocol.title)}</Link>
          {run.class !== undefined && <span className={classTag(protocol.data, run)}>{say(locale, run.class.title)}</span>}
          {mark}
        </p>
        <h2 className="task-title">
          {say(locale, step.title)}
          <span className={isOpen ? "tag tag-new" : "tag"}>{t(`step.state.${step.state}`)}</span>
          {step.optional === true && isOpen && <span className="tag">{t("task.optional")}</span>}
        </h2>
        {isOpen && clocks.length > 0 && (
          <ul className="task-clocks">
            {clocks.map((clock) => (
              <li key={`${clock.code} ${clock.n}`}>
                <span>{say(locale, clock.title)}</span>
                <ClockMark clock={clock} now={now} />
                {clock.breach !== undefined && <span className="what">{t("clock.breach", { at: showMoment(texts, clock.breach) })}</span>}
                <ClockBar clock={clock} now={now} />
              </li>
            ))}
          </ul>
        )}
        <dl className="banner-facts">
          {who !== "" && <Fact name={t("task.who")} value={who} />}
          {step.state === "taken" && step.by !== undefined && <Fact name={t("task.taken")} value={nameOf(run, step.by) ?? step.by} />}
          {step.since !== undefined && <Fact name={t("task.since")} value={showMoment(texts, step.since)} />}
          {run.summary.map((one) => (
            <Fact key={one.code} name={say(locale, one.title)} value={showLine(one)} />
          ))}
        </dl>
        {!isLay(session) && <Grounds run={run} />}
        <Seen run={run} step={step} />
        <Documents run={run.id} />
      </header>
      {!isLay(session) && before === undefined && isOpen && <Papers run={run} isOpen={step.outcomes.length > 0 || step.form !== undefined} />}
      {before !== undefined ? (
        <Done before={before} run={run} step={step} />
      ) : !isSettled ? (
        <Loading rows={2} />
      ) : (
        <Doing run={run} step={step} protocol={protocol.data} onDone={setBefore} />
      )}
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Who has acknowledged a step that several must, and how many have not. */
function Seen({ run, step }: { run: RunView; step: RunStep }) {
  const texts = useTexts();
  const { t } = texts;
  const wanted = step.acknowledgements ?? 0;
  if (wanted === 0) return null;
  const seen = step.acknowledged ?? [];
  return (
    <p className="task-seen">
      <strong>{t("step.acknowledged", { count: seen.length, wanted })}</strong>
      {seen.map(({ by, at }) => (
        <span key={by}>
          <span aria-hidden>✓ </span>
          {nameOf(run, by) ?? by} <time className="what">{showMoment(texts, at)}</time>
        </span>
      ))}
    </p>
  );
}

/** It is done: what follows, and who does it. */
function Done({ before, run, step }: { before: RunView; run: RunView; step: RunStep }) {
  const { t, locale } = useTexts();
  const all = followed(before, run);
  const next = all.filter((one) => one.optional !== true);
  const besides = all.filter((one) => one.optional === true);
  const section = useRef<HTMLElement>(null);
  // What was pressed is gone; whoever has no pointer goes on here.
  useEffect(() => section.current?.focus(), []);
  const outcome = step.outcomes.find(({ code }) => code === step.outcome);
  const lay = isLay(useSession());
  const [latest] = lay ? told(run, () => false).happened : [];
  return (
    <section className="card task-done" role="status" ref={section} tabIndex={-1}>
      <h2>
        <span aria-hidden>✓ </span>
        {t("task.done", { what: [say(locale, step.title), outcome && say(locale, outcome.title)].filter(Boolean).join(" · ") })}
      </h2>
      {lay ? (
        <p>{say(locale, latest?.words)}</p>
      ) : run.end !== undefined ? (
        <p>{t("task.ended", { how: t(`run.end.${run.end}`) })}</p>
      ) : (
        <>
          <p>{t(next.length === 0 ? "task.next.none" : "task.next")}</p>
          <Followed run={run} steps={next} />
          {besides.length > 0 && <p>{t("task.next.optional")}</p>}
          <Followed run={run} steps={besides} />
        </>
      )}
      <div className="form-end">
        {!lay && (
          <Link className="button-link" href={`/runs/${encodeURIComponent(run.id)}`}>
            {t("task.toRun")}
          </Link>
        )}
        <Link className="button-link is-main" href={lay ? "/mine" : "/work"}>
          {t(lay ? "mine.back" : "task.toWork")}
        </Link>
      </div>
    </section>
  );
}

/** Steps that can be done now, with the way to those that whoever reads this may do. */
function Followed({ run, steps }: { run: RunView; steps: readonly RunStep[] }) {
  const { locale } = useTexts();
  if (steps.length === 0) return null;
  return (
    <ul className="task-next">
      {steps.map((one) => {
        const who = nameOf(run, one.party?.reference) ?? one.party?.display ?? (one.role && say(locale, one.role.title));
        return (
          <li key={one.task}>
            {one.may ? <Link href={`/tasks/${encodeURIComponent(one.task ?? "")}`}>{say(locale, one.title)}</Link> : <strong>{say(locale, one.title)}</strong>}
            {who !== undefined && <span className="what"> {who}</span>}
          </li>
        );
      })}
    </ul>
  );
}
