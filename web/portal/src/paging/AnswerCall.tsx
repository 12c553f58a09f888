import type { RunStep, RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTexts } from "../language";
import { aboutRun, useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { useSession } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import "./paging.css";

/** Where public/page-worker.js says that somebody has answered on their notification. */
const ANSWERS = "qingshan.answers";
/** How long ago that may be, in milliseconds. */
const FRESH = 120_000;

/** The steps of a run that wait for an answer of whoever looks. */
export function callsFor(run: RunView, practitioner: string | undefined): RunStep[] {
  if (run.end !== undefined) return [];
  const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken";
  const hasAnswered = ({ acknowledged }: RunStep) => (acknowledged ?? []).some(({ by }) => by === `Practitioner/${practitioner ?? ""}`);
  return run.steps.filter((step) => step.may && isOpen(step) && (step.acknowledgements ?? 0) > 0 && !hasAnswered(step));
}

/** Whether the notification about a run was answered a moment ago; asked once. */
async function wasAnswered(run: string): Promise<boolean> {
  if (!("caches" in globalThis)) return false;
  const kept = await caches.open(ANSWERS);
  const at = Number(await (await kept.match(`/answers/${run}`))?.text());
  await kept.delete(`/answers/${run}`);
  return Date.now() - at < FRESH;
}

/** You are called: a bar over the run with which to answer in one touch, and none where nothing waits for an answer. */
export function AnswerCall({ run }: { run: RunView }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const cache = useQueryClient();
  const { practitioner } = useSession();
  const act = useMutation({
    mutationFn: (step: RunStep) => runs.act(run.id, { deed: "acknowledge", step: step.code, n: step.n }),
    onSuccess: (after) => cache.setQueryData([...aboutRun(run.id), "view"], { run: after, behind: Date.parse(after.now) - Date.now() }),
    onError: () => void cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  const calls = callsFor(run, practitioner);
  const [only] = calls;
  const answer = useRef<() => void>(undefined);
  answer.current = () => {
    // Of several roles it is not known for which the answer is meant; then a hand chooses.
    if (only !== undefined && calls.length === 1 && !act.isPending) act.mutate(only);
  };
  useEffect(() => {
    const look = () => void wasAnswered(run.id).then((is) => is && answer.current?.());
    look();
    if (!("serviceWorker" in navigator)) return;
    navigator.serviceWorker.addEventListener("message", look);
    return () => navigator.serviceWorker.removeEventListener("message", look);
  }, [run.id]);
  if (calls.length === 0 && !act.isError) return null;
  return (
    <section className="answer-call" aria-label={t("pages.called")}>
      {act.isError && <FailureNotice cause={act.error} />}
      {calls.map((step) => (
        <div key={`${step.code} ${step.n}`}>
          <span>
            <strong>{t("pages.called")}</strong>
            <span>{step.role && say(locale, step.role.title)}</span>
          </span>
          <Working type="primary" busy={act.isPending ? t("state.saving") : undefined} onClick={() => act.mutate(step)}>
            {t("pages.answer")}
          </Working>
        </div>
      ))}
    </section>
  );
}
