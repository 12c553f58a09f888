import type { Coded, Communication, Reason, RunStep, RunView, Task } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { Suspense, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { isOnBoard } from "../board/board";
import { Documents } from "../documents/Documents";
import { isLay } from "../duties";
import { useTexts, type Texts } from "../language";
import { LiveMark, StaleBanner, useLive } from "../live";
import { part } from "../part";
import { useSession } from "../session";
import { useMatch } from "../settings";
import { AnswerCall } from "../paging/AnswerCall";
import { Pages } from "../paging/Pages";
import { FailureNotice, Loading } from "../states";
import { AskClass, AskReason } from "../tasks/Ask";
import { showMoment } from "../views/Readable";
import { Clocks } from "./Clocks";
import { Graph, Lanes } from "./Graph";
import { Grounds } from "./Grounds";
import { latest } from "./graph";
import { Milestones } from "./Milestones";
import { Papers } from "./Papers";
import { Plans } from "./Plans";
import { aboutRun, useChain, useMessages, useProtocol, useRun, useRuns } from "./reading";
import { useSummary } from "./summary";
import { SwitchRun } from "./SwitchRun";
import { useTick } from "./tick";
import { classTag, conceptIn, say, showLength } from "./words";
import "./runs.css";

const CaseNow = part(() => import("./CaseNow"));

/** Where a drawing of several lanes no longer fits. */
const narrow = matchMedia("(max-width: 900px)");

/** One run of a protocol: where it stands, what holds it up, what has come about. */
export default function RunPage({ id }: { id: string }) {
  const { t } = useTexts();
  const cache = useQueryClient();
  const view = useRun(id);
  const live = useLive(`Task/${id}`, () => void cache.invalidateQueries({ queryKey: aboutRun(id) }));
  return (
    <section className="run stack">
      <StaleBanner state={live.state} retry={live.retry} />
      {view.isPending && <Loading rows={10} />}
      {view.isError && view.data === undefined && <FailureNotice cause={view.error} retry={() => void view.refetch()} />}
      {view.data !== undefined && (
        <Standing run={view.data.run} behind={view.data.behind} mark={<LiveMark state={live.state} />} label={t("run.label")} />
      )}
    </section>
  );
}

function Standing({ run, behind, mark, label }: { run: RunView; behind: number; mark: ReactNode; label: string }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const now = useTick(run.clocks) + behind;
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  const isNarrow = useMatch(narrow);
  const showLine = useSummary(run.summary);
  const mayCorrect = !isLay(useSession());
  return (
    <>
      <AnswerCall run={run} />
      <header className="card run-head" aria-label={label}>
        <div className="run-title">
          <h1>
            {run.patient === undefined ? (
              say(locale, run.protocol.title)
            ) : (
              <Link href={`/patients/${encodeURIComponent(run.patient.reference.replace("Patient/", ""))}`}>
                {nameOf(run, run.patient.reference) ?? t("patient.nameless")}
              </Link>
            )}
          </h1>
          {mark}
        </div>
        <p className="run-of">
          <Link href={`/protocols/${encodeURIComponent(run.protocol.code)}`}>{say(locale, run.protocol.title)}</Link>
          {run.class !== undefined && <span className={classTag(protocol.data, run)}>{say(locale, run.class.title)}</span>}
          <span className={run.end === undefined ? "tag tag-new" : "tag"}>
            {run.end === undefined ? t("run.going") : t(`run.end.${run.end}`)}
          </span>
        </p>
        <dl className="banner-facts">
          <Fact name={t("run.began")}>{showMoment(texts, run.began)}</Fact>
          {run.owner !== undefined && run.end === undefined && (
            <Fact name={t("run.owner")}>{[...new Set([nameOf(run, run.owner.party?.reference), say(locale, run.owner.title)])].filter(Boolean).join(" · ")}</Fact>
          )}
          {run.summary.map((one) => (
            <Fact key={one.code} name={say(locale, one.title)}>
              {showLine(one)}
            </Fact>
          ))}
        </dl>
        <Grounds run={run} />
        <Blocking run={run} now={now} />
        <Yours run={run} />
        <div className="run-changes">
          {run.end === undefined && (run.regrade?.length ?? 0) > 0 && <Regrade run={run} classes={run.regrade ?? []} />}
          {run.end === undefined && (run.switch?.length ?? 0) > 0 && <SwitchRun run={run} targets={run.switch ?? []} what={aboutWhat(run, locale)} />}
          {run.cancel !== undefined && run.end === undefined && <TakeBack run={run} reasons={run.cancel.reasons} />}
        </div>
        <Documents run={run.id} />
      </header>
      {protocol.data !== undefined && isOnBoard(protocol.data) && (
        <Suspense fallback={<Loading rows={4} />}>
          <CaseNow run={run} now={now} />
        </Suspense>
      )}
      {run.clocks.length > 0 && <Clocks run={run} now={now} protocol={protocol.data} />}
      <Plans run={run} />
      <Papers run={run} />
      <section className="card" aria-label={t("graph.title")}>
        <h2>{t("graph.title")}</h2>
        {protocol.isPending && <Loading rows={6} />}
        {protocol.isError && <FailureNotice cause={protocol.error} retry={() => void protocol.refetch()} />}
        {protocol.data !== undefined &&
          (isNarrow ? <Lanes protocol={protocol.data} run={run} /> : <Graph protocol={protocol.data} run={run} />)}
      </section>
      <Acknowledgements run={run} />
      <Pages run={run} />
      <Milestones run={run} mayCorrect={mayCorrect} />
      <Messages run={run} />
      <Chain run={run} />
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What somebody who is named by reference is called; nothing when it is not known. */
export function nameOf(run: RunView, reference: string | undefined): string | undefined {
  if (reference === undefined) return undefined;
  const parties = [run.patient, run.owner?.party, ...run.steps.map((step) => step.party)];
  return run.names?.[reference] ?? parties.find((party) => party?.reference === reference)?.display;
}

const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken";

/** What the end of a run waits for; where what was intended can no longer come about, all that is still to be done. */
function waitedFor(run: RunView): RunStep[] {
  if (run.end !== undefined) return [];
  const steps = run.blocking.map((code) => latest(run, code)?.step).filter((step) => step !== undefined);
  return steps.length > 0 ? steps : run.steps.filter((step) => isOpen(step) && step.optional !== true);
}

/** On what everything else waits. */
function Blocking({ run, now }: { run: RunView; now: number }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const steps = waitedFor(run);
  if (steps.length === 0) return null;
  return (
    <div className="run-blocking">
      <strong>{t("run.blocking")}</strong>
      <ul>
        {steps.map((step) => {
          const who = nameOf(run, step.party?.reference) ?? (step.role && say(locale, step.role.title));
          const waited = step.since === undefined ? undefined : showLength(texts, now - Date.parse(step.since));
          return (
            <li key={step.code}>
              {step.task === undefined ? (
                say(locale, step.title)
              ) : (
                <Link href={`/tasks/${encodeURIComponent(step.task)}`}>{say(locale, step.title)}</Link>
              )}
              {who && ` · ${who}`}
              {" · "}
              {step.state === "unknown" ? t("run.unknown") : waited === undefined ? t(`step.state.${step.state}`) : t("run.waited", { length: waited })}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** What whoever looks may do though nothing else waits for it, with what nobody need do behind the rest. */
function Yours({ run }: { run: RunView }) {
  const { t, locale } = useTexts();
  const waited = waitedFor(run);
  const open = run.steps.filter((step) => step.may && isOpen(step) && !waited.includes(step));
  if (open.length === 0) return null;
  const isOptional = (step: RunStep) => Number(step.optional === true);
  return (
    <p className="run-yours">
      <span className="what">{t("run.yours")}</span>
      {open
        .sort((left, right) => isOptional(left) - isOptional(right))
        .map((step) => (
          <Link key={`${step.code} ${step.n}`} href={`/tasks/${encodeURIComponent(step.task ?? "")}`}>
            {say(locale, step.title)}
            {step.optional === true && <span className="tag">{t("task.optional")}</span>}
          </Link>
        ))}
    </p>
  );
}

/** What a run is about, in a heading: for whom, and which protocol. */
const aboutWhat = (run: RunView, locale: Texts["locale"]) =>
  [nameOf(run, run.patient?.reference), say(locale, run.protocol.title)].filter(Boolean).join(" · ");

/** The way to say that it is more or less urgent than it was, for whoever may, with a reason that everybody is told. */
function Regrade({ run, classes }: { run: RunView; classes: readonly Coded[] }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const cache = useQueryClient();
  const [isAsked, setIsAsked] = useState(false);
  const regrade = useMutation({
    mutationFn: ({ code, reason }: { code: string; reason: string }) => runs.act(run.id, { deed: "regrade", class: code, reason: { code: "", text: reason } }),
    onSuccess: () => setIsAsked(false),
    onSettled: () => cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  const close = () => {
    regrade.reset();
    setIsAsked(false);
  };
  return (
    <>
      <Button onClick={() => setIsAsked(true)}>{t("run.regrade")}</Button>
      {isAsked && (
        <AskClass
          title={t("run.regrade.title", { what: aboutWhat(run, locale) })}
          classes={classes.map(({ code, title }) => ({ code, display: say(locale, title) }))}
          submit={t("run.regrade.submit")}
          busy={regrade.isPending ? t("state.saving") : undefined}
          failure={regrade.error}
          onClass={(code, reason) => regrade.mutate({ code, reason })}
          onClose={close}
        />
      )}
    </>
  );
}

/** The way to take the whole run back, for whoever may, with a reason. */
function TakeBack({ run, reasons }: { run: RunView; reasons: string | undefined }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const cache = useQueryClient();
  const [isAsked, setIsAsked] = useState(false);
  const cancel = useMutation({
    mutationFn: (reason: Reason) => runs.act(run.id, { deed: "cancel", reason }),
    onSuccess: () => setIsAsked(false),
    onSettled: () => cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  if (reasons === undefined) return null;
  const close = () => {
    cancel.reset();
    setIsAsked(false);
  };
  return (
    <>
      <Button danger onClick={() => setIsAsked(true)}>
        {t("run.cancel")}
      </Button>
      {isAsked && (
        <AskReason
          title={t("run.cancel.title", { what: aboutWhat(run, locale) })}
          list={reasons}
          submit={t("run.cancel")}
          isGrave
          busy={cancel.isPending ? t("state.saving") : undefined}
          failure={cancel.error}
          onReason={(reason) => cancel.mutate(reason)}
          onClose={close}
        />
      )}
    </>
  );
}

/** Of steps that several must have seen: who has, and how many have not. */
function Acknowledgements({ run }: { run: RunView }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const steps = run.steps.filter((step) => (step.acknowledgements ?? 0) > 0 && step.task !== undefined);
  if (steps.length === 0) return null;
  return (
    <section className="card" aria-label={t("acknowledged.title")}>
      <h2>{t("acknowledged.title")}</h2>
      {steps.map((step) => {
        const seen = step.acknowledged ?? [];
        const left = Math.max(0, (step.acknowledgements ?? 0) - seen.length);
        const isOpen = step.state === "ready" || step.state === "taken";
        return (
          <div key={`${step.code} ${step.n}`} className="acknowledged">
            <h3>{say(locale, step.title)}</h3>
            <ul>
              {seen.map(({ by, at }) => (
                <li key={by}>
                  <span aria-hidden>✓ </span>
                  {nameOf(run, by) ?? by} · <time>{showMoment(texts, at)}</time>
                </li>
              ))}
              {left > 0 && isOpen && (
                <li className="is-missing">
                  <span aria-hidden>○ </span>
                  {t("acknowledged.left", { count: left, who: (step.role && say(locale, step.role.title)) ?? "" })}
                </li>
              )}
            </ul>
          </div>
        );
      })}
    </section>
  );
}

function Messages({ run }: { run: RunView }) {
  const texts = useTexts();
  const { t } = texts;
  const messages = useMessages(run);
  if (messages.isSuccess && messages.data.length === 0) return null;
  return (
    <section className="card" aria-label={t("run.messages")}>
      <h2>{t("run.messages")}</h2>
      {messages.isPending && run.patient !== undefined && <Loading rows={2} />}
      {messages.isError && <FailureNotice cause={messages.error} retry={() => void messages.refetch()} />}
      <ul className="lines">
        {(messages.data ?? []).map((message) => (
          <li key={message.id}>
            <span>
              {textOf(texts, message)}
              <span className="what line-note">
                {message.sent !== undefined && showMoment(texts, message.sent)}
                {" · "}
                {(message.recipient ?? []).map((one) => one.display ?? nameOf(run, one.reference)).filter(Boolean).join(texts.locale === "zh-CN" ? "、" : ", ")}
              </span>
            </span>
            <span className={message.status === "completed" ? "tag" : "tag tag-care"}>
              {t(message.status === "completed" ? "run.messages.seen" : "run.messages.unseen")}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function textOf({ locale }: Texts, message: Communication): string {
  const [payload] = message.payload ?? [];
  const concept = { ...(payload?.contentString !== undefined && { text: payload.contentString }), ...(payload?._contentString && { _text: payload._contentString }) };
  return conceptIn(locale, concept) ?? "";
}

/** Runs before and after this one that belong together with it. */
function Chain({ run }: { run: RunView }) {
  const texts = useTexts();
  const { t } = texts;
  const chain = useChain(run);
  if (chain.isError && chain.data === undefined) return <FailureNotice cause={chain.error} retry={() => void chain.refetch()} />;
  if (chain.data === undefined || chain.data.length < 2) return null;
  return (
    <section className="card" aria-label={t("run.chain")}>
      <h2>{t("run.chain")}</h2>
      <ol className="chain">
        {chain.data.map((task) => (
          <li key={task.id} aria-current={task.id === run.id ? "true" : undefined}>
            {task.id === run.id ? <strong>{chainTitle(texts, task)}</strong> : <Link href={`/runs/${encodeURIComponent(task.id ?? "")}`}>{chainTitle(texts, task)}</Link>}
            <span className="what">
              {task.authoredOn !== undefined && showMoment(texts, task.authoredOn)}
              {" · "}
              {conceptIn(texts.locale, task.businessStatus) ?? (task.status === "in-progress" ? t("run.going") : (texts.known("run.end", task.status) ?? task.status))}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

const chainTitle = ({ locale, t }: Texts, task: Task) => conceptIn(locale, task.code) ?? t("work.untitled");

