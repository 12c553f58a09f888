import type { Act, RunStep, RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts } from "../language";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { aboutRun, useRuns } from "./reading";
import { nameOf } from "./RunPage";
import { StepSign } from "./StepSign";
import { say, showLength } from "./words";
import "./case.css";

const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken";

/** What can be done in a run now: with one touch where nothing has to be said, and otherwise by the way to its form. */
export function OpenSteps({ run, now, without = [] }: { run: RunView; now: number; without?: readonly string[] }) {
  const texts = useTexts();
  const { t } = texts;
  const runs = useRuns();
  const cache = useQueryClient();
  const act = useMutation({
    mutationFn: (deed: Act) => runs.act(run.id, deed),
    onSuccess: (after) => cache.setQueryData([...aboutRun(run.id), "view"], { run: after, behind: Date.parse(after.now) - Date.now() }),
    onError: () => void cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  const open = run.steps.filter((step) => isOpen(step) && !without.includes(step.code));
  if (open.length === 0 && !act.isError) return null;
  return (
    <section className="card open-steps" aria-label={t("case.open")}>
      <h2>{t("case.open")}</h2>
      {act.isError && <FailureNotice cause={act.error} />}
      <ul>
        {open.map((step) => (
          <OpenStep key={`${step.code} ${step.n}`} run={run} step={step} now={now} busy={act.isPending ? t("state.saving") : undefined} onAct={act.mutate} />
        ))}
      </ul>
    </section>
  );
}

function OpenStep(props: { run: RunView; step: RunStep; now: number; busy: string | undefined; onAct(deed: Act): void }) {
  const { run, step, now, busy, onAct } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const which = { step: step.code, n: step.n };
  const who = nameOf(run, step.by) ?? nameOf(run, step.party?.reference) ?? (step.role && say(locale, step.role.title)) ?? "";
  const wanted = step.acknowledgements ?? 0;
  const seen = (step.acknowledged ?? []).length;
  const isPlain = step.form === undefined && step.outcomes.every(({ form, reasons }) => form === undefined && reasons === undefined);
  return (
    <li className={run.blocking.includes(step.code) ? "is-blocking" : ""}>
      <span className="open-step-what">
        <strong>
          <StepSign state={step.state} /> {step.task === undefined ? say(locale, step.title) : <Link href={`/tasks/${encodeURIComponent(step.task)}`}>{say(locale, step.title)}</Link>}
        </strong>
        <span className="what">
          {[step.role && say(locale, step.role.title), who, step.since && t("run.waited", { length: showLength(texts, now - Date.parse(step.since)) })]
            .filter((part, place, all) => part && all.indexOf(part) === place)
            .join(" · ")}
          {wanted > 0 && ` · ${t("board.team", { answered: seen, wanted })}`}
        </span>
      </span>
      {step.may && (
        <span className="open-step-ways">
          {wanted > 0 ? (
            <Working busy={busy} onClick={() => onAct({ deed: "acknowledge", ...which })}>
              {t("task.acknowledge")}
            </Working>
          ) : !isPlain ? (
            <Link className="button-link" href={`/tasks/${encodeURIComponent(step.task ?? "")}`}>
              {t("case.fill")}
            </Link>
          ) : step.outcomes.length === 0 ? (
            <Working type="primary" busy={busy} onClick={() => onAct({ deed: "complete", ...which })}>
              {t("task.complete")}
            </Working>
          ) : (
            step.outcomes.map((outcome) => (
              <Working key={outcome.code} busy={busy} disabled={outcome.left === 0} onClick={() => onAct({ deed: "complete", ...which, outcome: outcome.code })}>
                {say(locale, outcome.title)}
              </Working>
            ))
          )}
        </span>
      )}
    </li>
  );
}
