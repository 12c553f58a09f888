import type { Protocol, Rehearsed, RunStep, Words } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Button } from "antd";
import { useState } from "react";
import { dayAt, minuteAt, timeAt } from "../calendar";
import { useTexts } from "../language";
import { Clocks } from "../runs/Clocks";
import { Graph, Lanes } from "../runs/Graph";
import { useRuns } from "../runs/reading";
import { say, showLength } from "../runs/words";
import { useMatch } from "../settings";
import { FailureNotice, Loading } from "../states";
import { begin, happened, later, logOf, nextDue, played, undone, waysOf, type Script } from "./rehearsal";

const MINUTE = 60_000;
const narrow = matchMedia("(max-width: 900px)");

/** Plays a protocol through under a clock of its own. Nothing of it is kept. */
export default function Rehearse({ protocol }: { protocol: Protocol }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const isNarrow = useMatch(narrow);
  const conditions = (protocol.step ?? []).filter((step) => step.when !== undefined);
  const starts = protocol.start?.find((start) => start.by === "hand") ?? protocol.start?.[0];
  const fresh = (klass: string | undefined) =>
    begin(Math.floor(Date.now() / MINUTE) * MINUTE, klass, conditions.map((step) => step.code));
  const [script, setScript] = useState<Script>(() => fresh(starts?.class ?? protocol.class?.[0]?.code));
  const asked = played(script);
  const play = useQuery({
    queryKey: ["rehearsal", protocol.code, protocol.version, asked],
    queryFn: ({ signal }) => runs.rehearse(protocol.code, asked, signal),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const run = play.data;
  const due = run && nextDue(run, script.now);
  const open = (run?.steps ?? []).filter((step) => step.state === "ready" || step.state === "taken");
  return (
    <>
      <section className="card rehearsal" aria-label={t("protocols.view.rehearsal")}>
        <p className="hint">{t("rehearsal.help")}</p>
        <div className="rehearsal-set">
          {(protocol.class ?? []).length > 0 && (
            <label>
              <span className="what">{t("work.class")}</span>
              <select className="select" value={script.class ?? ""} onChange={(event) => setScript(fresh(event.target.value || undefined))}>
                {(protocol.class ?? []).map((one) => (
                  <option key={one.code} value={one.code}>
                    {say(locale, one.title)}
                  </option>
                ))}
              </select>
            </label>
          )}
          {conditions.length > 0 && (
            <fieldset className="rehearsal-facts">
              <legend className="what">{t("rehearsal.facts")}</legend>
              {conditions.map((step) => (
                <label key={step.code}>
                  <input
                    type="checkbox"
                    checked={script.facts[step.code] === true}
                    onChange={(event) => setScript({ ...script, facts: { ...script.facts, [step.code]: event.target.checked } })}
                  />
                  {say(locale, step.title)}
                </label>
              ))}
            </fieldset>
          )}
        </div>
        <div className="rehearsal-clock">
          <strong className="rehearsal-now" role="timer">
            {dayAt(script.now)} {timeAt(script.now).slice(0, 5)}
          </strong>
          <span className="what">{t("rehearsal.passed", { length: showLength(texts, script.now - script.began) })}</span>
          <span className="rehearsal-buttons">
            <Button onClick={() => setScript(later(script, 5 * MINUTE))}>{t("rehearsal.minutes")}</Button>
            <Button onClick={() => setScript(later(script, 60 * MINUTE))}>{t("rehearsal.hour")}</Button>
            <Button onClick={() => setScript(later(script, 24 * 60 * MINUTE))}>{t("rehearsal.day")}</Button>
            <Button type="primary" disabled={due === undefined} onClick={() => due !== undefined && setScript(later(script, due - script.now))}>
              {t("rehearsal.next")}
            </Button>
            <Button disabled={script.events.length === 0 && script.now === script.began} onClick={() => setScript(undone(script))}>
              {t("rehearsal.undo")}
            </Button>
            <Button onClick={() => setScript(fresh(script.class))}>{t("rehearsal.again")}</Button>
          </span>
        </div>
        {play.isError && <FailureNotice cause={play.error} retry={() => void play.refetch()} />}
        {play.isPending && <Loading rows={4} />}
        {run?.end !== undefined && (
          <p className="rehearsal-end" role="status">
            <strong>{t("rehearsal.ended", { how: t(`run.end.${run.end}`) })}</strong>
          </p>
        )}
        {run !== undefined && run.end === undefined && (
          <ul className="rehearsal-steps" aria-label={t("rehearsal.open")} aria-busy={play.isFetching}>
            {open.length === 0 && <li className="hint">{t("rehearsal.nothing")}</li>}
            {open.map((step) => (
              <Open key={`${step.code} ${step.n}`} step={step} protocol={protocol} isBusy={play.isFetching} act={(act) => setScript(happened(script, act))} />
            ))}
          </ul>
        )}
        <Log script={script} run={run} protocol={protocol} />
      </section>
      {run !== undefined && run.clocks.length > 0 && <Clocks run={run} now={script.now} protocol={protocol} />}
      {run !== undefined && (
        <section className="card" aria-label={t("graph.title")}>
          {isNarrow ? <Lanes protocol={protocol} run={run} /> : <Graph protocol={protocol} run={run} />}
        </section>
      )}
    </>
  );
}

/** What was done, whom it and the clocks told, and what was refused. */
function Log({ script, run, protocol }: { script: Script; run: Rehearsed | undefined; protocol: Protocol }) {
  const { t, locale } = useTexts();
  const lines = logOf(script, run);
  if (lines.length === 0) return null;
  const title = (list: readonly { code: string; title: Words }[] | undefined, code: string | undefined) =>
    say(locale, list?.find((one) => one.code === code)?.title) || (code ?? "");
  const doneIn = (event: number) => {
    const act = script.events[event]?.act;
    if (act === undefined || !("step" in act)) return "";
    const step = protocol.step?.find((one) => one.code === act.step);
    const outcome = "outcome" in act && act.outcome !== undefined ? title(step?.outcome, act.outcome) : undefined;
    return [say(locale, step?.title), outcome ?? (act.deed === "skip" ? t("rehearsal.skip") : undefined)].filter(Boolean).join(" · ");
  };
  return (
    <section className="rehearsal-log" aria-label={t("rehearsal.log")}>
      <h3>{t("rehearsal.log")}</h3>
      <ol>
        {lines.map(({ at, event, refused, told }, place) => (
          <li key={place} className={told?.clock === undefined ? "" : "is-clock"}>
            <time>{minuteAt(at).slice(5)}</time>{" "}
            {event !== undefined && <strong>{doneIn(event)}</strong>}
            {refused !== undefined && <span className="note note-error">{t("rehearsal.refused", { text: refused })}</span>}
            {told !== undefined &&
              t(told.clock === undefined ? "rehearsal.told" : "rehearsal.fired", {
                what: told.clock === undefined ? title(protocol.milestone, told.milestone) : title(protocol.clock, told.clock),
                who: told.roles.map((role) => title(protocol.role, role)).join(locale === "zh-CN" ? "、" : ", "),
              })}
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A step that is open, with a button for everything that can come of it. */
function Open(props: { step: RunStep; protocol: Protocol; isBusy: boolean; act(act: ReturnType<typeof waysOf>[number]["act"]): void }) {
  const { step, protocol, isBusy, act } = props;
  const { t, locale } = useTexts();
  const named = protocol.step?.find((one) => one.code === step.code);
  const label = (code: string | undefined) => {
    if (code === undefined) return t("rehearsal.done");
    if ((step.acknowledgements ?? 0) > 0) return t("rehearsal.acknowledge");
    const outcome = named?.outcome?.find((one) => one.code === code);
    return say(locale, outcome?.title ?? step.outcomes.find((one) => one.code === code)?.title);
  };
  const reasons = protocol.lists?.find((list) => list.code === step.skip)?.codes[0]?.code ?? "other";
  return (
    <li>
      <span>
        <strong>{say(locale, step.title)}</strong>
        <span className="what line-note">
          {step.role && say(locale, step.role.title)}
          {(step.acknowledgements ?? 0) > 0 && ` · ${t("step.acknowledged", { count: step.acknowledged?.length ?? 0, wanted: step.acknowledgements ?? 0 })}`}
        </span>
      </span>
      <span className="rehearsal-buttons">
        {waysOf(step).map((way) => (
          <Button key={way.code ?? ""} disabled={isBusy} onClick={() => act(way.act)}>
            {label(way.code)}
          </Button>
        ))}
        {step.skip !== undefined && (
          <Button type="text" disabled={isBusy} onClick={() => act({ deed: "skip", step: step.code, n: step.n, reason: { code: reasons } })}>
            {t("rehearsal.skip")}
          </Button>
        )}
      </span>
    </li>
  );
}
