import type { Coding, Questionnaire, QuestionnaireItem, QuestionnaireResponse, RunStep, RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { cited } from "../citations";
import { addressOf } from "../forms/draft";
import { begin, type Filled, type Knowledge } from "../forms/filled";
import { FormView, useFilling } from "../forms/FormView";
import type { Item } from "../forms/path/item";
import { itemsOf, labelOf, sourceOf } from "../forms/questionnaire";
import { listsOf, useForm, useLists, useNames } from "../forms/reading";
import { useTexts } from "../language";
import { aboutRun, useProtocol, useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { useUnsaved } from "../unsaved";
import { Working } from "../Working";
import { lacksReason, levelAt, outcomeOf, ruleItems, verdictOf } from "./triage";

/** Grades somebody: by a form that computes the level, or by choosing it where the protocol has no form. */
export function Grading({ run, step, onDone }: { run: RunView; step: RunStep; onDone(after: RunView): void }) {
  const { t, locale } = useTexts();
  const service = useService();
  const form = useForm(service, step.form);
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  const lists = useLists(service, form.data ? listsOf(form.data) : []);
  const isKnown = protocol.data !== undefined || protocol.isError;
  const names = useNames(service, form.data, isKnown ? { patient: run.patient?.reference, focus: run.focus, run: run.id, data: protocol.data?.data ?? [] } : undefined);
  const grade = useGrade(run, onDone);
  if (step.form === undefined) {
    return (
      <div className="triage-choose">
        {grade.isError && <FailureNotice cause={grade.error} />}
        {step.outcomes.map((outcome, place) => (
          <Working key={outcome.code} busy={grade.isPending ? t("state.saving") : undefined} onClick={() => grade.mutate({ step, outcome: outcome.code })}>
            <Level level={levelAt(place)} /> {say(locale, outcome.title)}
          </Working>
        ))}
      </div>
    );
  }
  const failed = [form, lists, names].find((query) => query.isError);
  if (failed !== undefined) return <FailureNotice cause={failed.error} retry={() => void failed.refetch()} />;
  if (form.data === null) return <Nothing title={t("form.missing")} help={t("form.missing.help", { code: step.form })} />;
  if (form.data === undefined || lists.data === undefined || names.data === undefined) return <Loading rows={8} />;
  return <Ready key={`${run.id} ${step.code} ${step.n}`} run={run} step={step} form={form.data} lists={lists.data} names={names.data} grade={grade} />;
}

function useGrade(run: RunView, onDone: (after: RunView) => void) {
  const runs = useRuns();
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ step, outcome, response }: { step: RunStep; outcome: string; response?: QuestionnaireResponse }) =>
      runs.act(run.id, { deed: "complete", step: step.code, n: step.n, outcome, ...(response !== undefined && { response }) }),
    onSuccess(after) {
      void cache.invalidateQueries({ queryKey: aboutRun(run.id) });
      onDone(after);
    },
  });
}

function Ready(props: {
  run: RunView;
  step: RunStep;
  form: Questionnaire;
  lists: ReadonlyMap<string, readonly Coding[]>;
  names: ReadonlyMap<string, readonly Item[]>;
  grade: ReturnType<typeof useGrade>;
}) {
  const { run, step, form, lists, names, grade } = props;
  const { t, locale } = useTexts();
  const knowledge = useMemo<Knowledge>(() => ({ environment: { variables: names, now: Date.now() }, lists }), [names, lists]);
  const [filled, setFilled] = useState<Filled>(() => begin(form, knowledge));
  const [isTouched, setIsTouched] = useState(false);
  const filling = useFilling(form, knowledge, filled, (next) => {
    setFilled(next);
    setIsTouched(true);
  });
  useUnsaved(isTouched && !grade.isSuccess);
  const [chosen, setChosen] = useState<string>();
  const verdict = verdictOf(filling.settled.items);
  const computed = outcomeOf(step, verdict.computed);
  const outcome = chosen ?? computed;
  const isReasonMissing = lacksReason(step, outcome, verdict);
  const rules = ruleItems([...itemsOf(form.item)]);
  const title = (item: QuestionnaireItem | undefined) => (item === undefined ? "" : labelOf(locale, item));
  const send = () => {
    if (grade.isPending || !filling.check() || outcome === undefined || isReasonMissing) return;
    const response = {
      resourceType: "QuestionnaireResponse" as const,
      status: "completed" as const,
      ...addressOf(form),
      ...(run.patient !== undefined && { subject: { reference: run.patient.reference } }),
      authored: new Date().toISOString(),
      item: filling.settled.items,
    };
    grade.mutate({ step, outcome, response });
  };
  return (
    <div className="triage-grading">
      <FormView filling={filling} onDone={send} />
      <aside className="triage-verdict" aria-live="polite">
        {verdict.computed === undefined ? (
          <p className="triage-none">{t("triage.none")}</p>
        ) : (
          <p className="triage-result">
            <Level level={verdict.computed} />
            <strong>{t("triage.computed")}</strong>
          </p>
        )}
        {verdict.national !== undefined && verdict.national !== verdict.computed && (
          <p className="triage-result">
            <Level level={verdict.national} /> {t("triage.national")}
          </p>
        )}
        {verdict.fired.length > 0 && (
          <>
            <h3>{t("triage.why")}</h3>
            <ul>
              {verdict.fired.map((rule) => {
                const item = rules.get(rule);
                const source = item && sourceOf(item);
                return (
                  <li key={rule}>
                    {title(item)}
                    {source !== undefined && <span className="what"> {t("suggestions.source", { source: cited(locale, source) })}</span>}
                  </li>
                );
              })}
            </ul>
          </>
        )}
        <fieldset className="triage-outcomes">
          <legend>{t("triage.grade")}</legend>
          {step.outcomes.map((one, place) => (
            <label key={one.code} className={one.code === outcome ? "is-chosen" : ""}>
              <input type="radio" name={`triage-${step.code}`} checked={one.code === outcome} onChange={() => setChosen(one.code)} />
              <Level level={levelAt(place)} />
              {say(locale, one.title)}
            </label>
          ))}
        </fieldset>
        {isReasonMissing && (
          <p className="note note-warning" role="alert">
            {t("triage.reason")}
          </p>
        )}
        {grade.isError && <FailureNotice cause={grade.error} unsaved={t("task.unsent")} />}
        <Working type="primary" block busy={grade.isPending ? t("state.saving") : undefined} disabled={outcome === undefined || isReasonMissing} onClick={send}>
          {outcome === undefined ? t("triage.submit.none") : t("triage.submit")}
        </Working>
      </aside>
    </div>
  );
}

const NUMERALS = ["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"];

/** A level: its number, its shape and its colour, of which each is enough. */
export function Level({ level }: { level: number | undefined }) {
  return <span className={`triage-level is-${level ?? "none"}`}>{level === undefined ? "?" : (NUMERALS[level - 1] ?? level)}</span>;
}
