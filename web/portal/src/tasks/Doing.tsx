import { Failure, type Act, type Outcome, type Protocol, type Reason, type RunStep, type RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Input } from "antd";
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { minuteAt, readMinute } from "../calendar";
import { giveUpAll, type Subject } from "../forms/draft";
import { Field } from "../Field";
import { useTexts, type Texts } from "../language";
import { part } from "../part";
import { nameOf } from "../runs/RunPage";
import { aboutRun, useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { postOf } from "../duties";
import { useService, useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { AskParty, AskReason } from "./Ask";
import { isGrave } from "./next";
import { StepForm, type FormHandle } from "./StepForm";

const Answers = part(() => import("../runs/Answers"));

/** What is asked in a window before something is done. */
type Asking = { for: "outcome"; outcome: Outcome } | { for: "skip" } | { for: "hand" };

/** The form of a step, and the ways to be done with it. */
export function Doing(props: { run: RunView; step: RunStep; protocol: Protocol | undefined; onDone(before: RunView): void }) {
  const { run, step, protocol, onDone } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const cache = useQueryClient();
  const session = useSession();
  const service = useService();
  const form = useRef<FormHandle>(undefined);
  const [chosen, setChosen] = useState<Outcome>();
  const [asking, setAsking] = useState<Asking>();
  const [at, setAt] = useState<string>();
  const isOpen = step.state === "ready" || step.state === "taken";
  const code = chosen?.form ?? step.form;
  const post = postOf(session);
  const own = useMemo(() => {
    const patients = (session.patients?.own ?? []).map((one) => `Patient/${one}`);
    const person = session.practitioner && `Practitioner/${session.practitioner}`;
    return [post && `PractitionerRole/${post.role}`, person, ...patients].filter((one) => one !== undefined);
  }, [post, session]);
  const [author] = own;
  const subject = useMemo<Subject>(
    () => ({
      account: session.account,
      author: author === undefined ? undefined : { reference: author, display: session.name },
      task: step.task ?? "",
      form: code ?? "",
      patient: run.patient?.reference,
    }),
    [session.account, session.name, author, step.task, code, run.patient?.reference],
  );
  const [isReady, setIsReady] = useState(false);
  const take = useCallback((handle: FormHandle | undefined) => {
    form.current = handle;
    setIsReady(handle !== undefined);
  }, []);

  const forms = useMemo(() => [...new Set([step.form, ...step.outcomes.map(({ form }) => form)])].filter((form) => form !== undefined), [step]);
  const act = useMutation({
    mutationFn: async (deed: Act): Promise<RunView> => {
      if (deed.deed !== "complete" || form.current === undefined) return runs.act(run.id, deed);
      const { current } = form;
      const response = await current.take();
      try {
        return await runs.act(run.id, { ...deed, response });
      } catch (cause) {
        current.release();
        throw cause;
      }
    },
    onSuccess(after, deed) {
      if (deed.deed === "complete" || deed.deed === "skip") {
        form.current?.end();
        void giveUpAll(service, subject, forms);
      }
      setAsking(undefined);
      cache.setQueryData([...aboutRun(run.id), "view"], { run: after, behind: Date.parse(after.now) - Date.now() });
      const now = after.steps.find(({ task }) => task === step.task);
      if (now !== undefined && now.state !== "ready" && now.state !== "taken") onDone(run);
    },
    onError(cause) {
      if (!(cause instanceof Failure) || cause.kind !== "conflict") return;
      setAsking(undefined);
      void cache.invalidateQueries({ queryKey: aboutRun(run.id) });
    },
  });
  // Whoever chose an outcome goes on in its form. Under a finger a keyboard would jump up and cover it.
  useEffect(() => {
    if (chosen === undefined || !isReady) return;
    if (matchMedia("(pointer: coarse)").matches) document.querySelector(".task-chosen")?.scrollIntoView({ block: "center" });
    else form.current?.enter();
  }, [chosen, isReady]);
  // A form that somebody began while somebody else was done is not left lying about.
  const hasBegun = useRef(false);
  hasBegun.current ||= code !== undefined && isOpen;
  useEffect(() => {
    if (!isOpen && hasBegun.current) void giveUpAll(service, subject, forms);
  }, [isOpen, service, subject, forms]);
  const busy = act.isPending ? t("state.saving") : undefined;
  const which = { step: step.code, n: step.n };
  const when = at === undefined ? undefined : readMinute(at);
  const isWhenWrong = at !== undefined && when === undefined;
  const complete = (outcome: Outcome | undefined, reason?: Reason) =>
    act.mutate({
      deed: "complete",
      ...which,
      ...(outcome && { outcome: outcome.code }),
      ...(reason && { reason }),
      ...(when !== undefined && { at: when }),
    });

  /** Goes on with an outcome as far as nothing is missing: its form, then its reason, then it is done. */
  const choose = (outcome: Outcome | undefined) => {
    if (act.isPending || isWhenWrong) return;
    act.reset();
    if (outcome?.form !== undefined && chosen?.code !== outcome.code) {
      setChosen(outcome);
      return;
    }
    if (code !== undefined && (form.current === undefined || !form.current.check())) return;
    if (outcome?.reasons !== undefined) setAsking({ for: "outcome", outcome });
    else complete(outcome);
  };

  if (!isOpen) return <Over run={run} step={step} conflict={act.error} own={own} unsent={code !== undefined && act.isError} />;
  const may = step.may;
  const outcomes = chosen === undefined ? step.outcomes : step.outcomes.filter(({ code }) => code === chosen.code);
  const usual = outcomes.filter((outcome) => !isGrave(protocol, step.code, outcome));
  const grave = outcomes.filter((outcome) => isGrave(protocol, step.code, outcome));
  const [only] = outcomes.length === 1 ? outcomes : [];
  const isSeen = (step.acknowledged ?? []).some(({ by }) => own.includes(by));
  const wantsSeen = (step.acknowledgements ?? 0) > 0;
  const button = (outcome: Outcome) => {
    const isGone = outcome.left === 0;
    return (
      <span className="task-outcome" key={outcome.code}>
        <Working
          {...(grave.includes(outcome) ? { danger: true } : { type: usual[0] === outcome ? ("primary" as const) : ("default" as const) })}
          busy={busy}
          disabled={isGone}
          onClick={() => choose(outcome)}
        >
          {say(locale, outcome.title)}
        </Working>
        {outcome.left !== undefined && <span className="what">{t(isGone ? "task.left.none" : "task.left", { count: outcome.left })}</span>}
      </span>
    );
  };
  return (
    <section className="card task-doing">
      {!may && (
        <Alert
          type="info"
          showIcon
          title={t("task.notYours")}
          description={t("task.notYours.help", { who: (step.role && say(locale, step.role.title)) ?? "" })}
        />
      )}
      {may && step.state === "taken" && step.by !== undefined && !own.includes(step.by) && (
        <Alert type="warning" showIcon title={t("task.takenBy", { who: nameOf(run, step.by) ?? step.by })} />
      )}
      {chosen !== undefined && (
        <p className="task-chosen">
          {t("task.chosen", { what: say(locale, chosen.title) })}
          <button type="button" className="inline-button" onClick={() => setChosen(undefined)}>
            {t("task.chosen.back")}
          </button>
        </p>
      )}
      {code !== undefined && (
        <StepForm key={code} code={code} run={run} subject={subject} isReadOnly={!may} onHandle={take} onDone={() => choose(only ?? chosen)} />
      )}
      {act.isError && <Refused cause={act.error} texts={texts} />}
      {may && (code === undefined || isReady) && (
        <>
          {at !== undefined && (
            <Field label={t("task.at")} help={t("task.at.help")} error={isWhenWrong ? t("vitals.at.wrong") : undefined}>
              {(field) => <Input {...field} className="task-at measure" autoFocus value={at} onChange={(event) => setAt(event.target.value)} />}
            </Field>
          )}
          <div className="task-outcomes">
            {!wantsSeen && (
              <div className="task-usual">
                {outcomes.length === 0 ? (
                  <Working type="primary" busy={busy} onClick={() => choose(undefined)}>
                    {t("task.complete")}
                  </Working>
                ) : (
                  usual.map(button)
                )}
              </div>
            )}
            {wantsSeen && !isSeen && (
              <Working type="primary" busy={busy} onClick={() => act.mutate({ deed: "acknowledge", ...which })}>
                {t("task.acknowledge")}
              </Working>
            )}
            {grave.length > 0 && <div className="task-grave">{grave.map(button)}</div>}
          </div>
          <div className="task-others">
            {/* Whoever has chosen an outcome is past these, and they must not slip under the finger that chose. */}
            {chosen === undefined && (
              <>
                {step.state === "ready" && !wantsSeen && (
                  <Button onClick={() => act.mutate({ deed: "take", ...which })}>{t("task.take")}</Button>
                )}
                <Button onClick={() => setAsking({ for: "hand" })}>{t("task.hand")}</Button>
                {step.skip !== undefined && <Button onClick={() => setAsking({ for: "skip" })}>{t("task.skip")}</Button>}
              </>
            )}
            {at === undefined && <Button onClick={() => setAt(minuteAt(Date.now()))}>{t("task.at.open")}</Button>}
          </div>
        </>
      )}
      {asking?.for === "outcome" && asking.outcome.reasons !== undefined && (
        <AskReason
          title={say(locale, asking.outcome.title)}
          list={asking.outcome.reasons}
          submit={say(locale, asking.outcome.title)}
          isGrave={grave.includes(asking.outcome)}
          busy={busy}
          failure={act.error}
          onReason={(reason) => complete(asking.outcome, reason)}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking?.for === "skip" && step.skip !== undefined && (
        <AskReason
          title={t("task.skip")}
          list={step.skip}
          submit={t("task.skip")}
          busy={busy}
          failure={act.error}
          onReason={(reason) => act.mutate({ deed: "skip", ...which, reason })}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking?.for === "hand" && (
        <AskParty
          title={t("task.hand")}
          submit={t("task.hand")}
          busy={busy}
          failure={act.error}
          onParty={(party) => act.mutate({ deed: "hand", ...which, party })}
          onClose={() => setAsking(undefined)}
        />
      )}
    </section>
  );
}

/** Why something was not done. Who was first is told by how the step stands now, not by the service's own words. */
function Refused({ cause, texts: { t } }: { cause: unknown; texts: Texts }) {
  if (cause instanceof Failure && cause.kind === "conflict") {
    return <Alert role="alert" type="warning" showIcon title={t("task.conflict")} description={t("task.conflict.help")} />;
  }
  return <FailureNotice cause={cause} unsaved={t("task.unsent")} />;
}

/** A step that is over: how, by whom and when; whoever came too late is told so. */
function Over(props: { run: RunView; step: RunStep; conflict: unknown; own: readonly string[]; unsent: boolean }) {
  const { run, step, conflict, own, unsent } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const outcome = step.outcomes.find(({ code }) => code === step.outcome);
  const isMine = step.by !== undefined && own.includes(step.by);
  const seen = (step.acknowledgements ?? 0) > 0 ? (step.acknowledged ?? []).length : 0;
  const told = {
    who: isMine ? t("task.over.you") : (nameOf(run, step.by) ?? t("task.over.somebody")),
    at: step.ended === undefined ? "" : showMoment(texts, step.ended),
    what: outcome === undefined ? t(`step.state.${step.state}`) : say(locale, outcome.title),
  };
  return (
    <section className="card task-over">
      {conflict instanceof Failure && conflict.kind === "conflict" ? (
        <Alert role="alert" type="warning" showIcon title={t("task.over.first", told)} description={unsent && !isMine ? t("task.over.unsent") : undefined} />
      ) : (
        <p className="nothing-title">{seen > 0 && step.state === "done" ? t("task.over.seen", { count: seen, at: told.at }) : t("task.over", told)}</p>
      )}
      {step.reason !== undefined && <p>{t("task.over.reason", { reason: [step.reason.code, step.reason.text].filter(Boolean).join(" · ") })}</p>}
      {step.response !== undefined && (
        <Suspense fallback={<Loading />}>
          <Answers reference={step.response} />
        </Suspense>
      )}
    </section>
  );
}
