import type { RunStep, RunView } from "@qingshan/client";
import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import { isLay } from "../duties";
import { useTexts } from "../language";
import { aboutRun, useChain, useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { useSession } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { usePaging } from "./reading";
import "./paging.css";

/** Where public/page-worker.js says that somebody has answered on their notification. */
const ANSWERS = "qingshan.answers";
/** How long ago that may be, in milliseconds. */
const FRESH = 120_000;
/** How often the other runs of a case are looked at, in milliseconds: who is called in one is called in the case. */
const OTHERS = 5_000;

/** The steps of a run that wait for an answer of whoever looks. */
export function callsFor(run: RunView, practitioner: string | undefined): RunStep[] {
  if (run.end !== undefined) return [];
  const isOpen = (step: RunStep) => step.state === "ready" || (step.state === "taken" && isSeen(step));
  const hasAnswered = ({ acknowledged }: RunStep) => (acknowledged ?? []).some(({ by }) => by === `Practitioner/${practitioner ?? ""}`);
  return run.steps.filter((step) => step.may && isOpen(step) && (isSeen(step) || step.paged === true) && !hasAnswered(step));
}

/** Whether having seen it is the answer; otherwise what is to be decided has a page of its own. */
const isSeen = ({ acknowledgements = 0 }: RunStep) => acknowledgements > 0;
const pageOf = ({ task = "" }: RunStep) => `/tasks/${encodeURIComponent(task)}`;

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
  const [, goTo] = useLocation();
  const others = useOthers(run);
  const act = useMutation({
    mutationFn: ({ of, step }: Call) => runs.act(of.id, { deed: "acknowledge", step: step.code, n: step.n }),
    onSuccess: (after) => cache.setQueryData([...aboutRun(after.id), "view"], { run: after, behind: Date.parse(after.now) - Date.now() }),
    onError: (_, { of }) => void cache.invalidateQueries({ queryKey: aboutRun(of.id) }),
  });
  const open = [run, ...others].map((of) => ({ of, steps: callsFor(of, practitioner) })).filter(({ steps }) => steps.length > 0);
  const paged = usePaged(open.map(({ of }) => of));
  const calls = open.flatMap(({ of, steps }, place) => meantOf(of, steps, paged[place]).map((step): Call => ({ of, step })));
  const own = calls.filter(({ of }) => of === run);
  const [only] = own;
  const answer = useRef<() => void>(undefined);
  answer.current = () => {
    // Of several roles it is not known for which the answer is meant; then a hand chooses.
    if (only === undefined || own.length > 1) return;
    if (!isSeen(only.step)) goTo(pageOf(only.step));
    else if (!act.isPending) act.mutate(only);
  };
  const isReady = only !== undefined;
  useEffect(() => {
    if (!isReady) return;
    const look = () => void wasAnswered(run.id).then((is) => is && answer.current?.());
    look();
    if (!("serviceWorker" in navigator)) return;
    navigator.serviceWorker.addEventListener("message", look);
    return () => navigator.serviceWorker.removeEventListener("message", look);
  }, [run.id, isReady]);
  if (calls.length === 0 && !act.isError) return null;
  return (
    <section className="answer-call" aria-label={t("pages.called")}>
      {act.isError && <FailureNotice cause={act.error} />}
      {calls.map(({ of, step }) => (
        <div key={`${of.id} ${step.code} ${step.n}`}>
          <span>
            <strong>{t("pages.called")}</strong>
            <span>{[of !== run && say(locale, of.protocol.title), step.role && say(locale, step.role.title)].filter(Boolean).join(" · ")}</span>
          </span>
          {isSeen(step) ? (
            <Working type="primary" busy={act.isPending ? t("state.saving") : undefined} onClick={() => act.mutate({ of, step })}>
              {t("pages.answer")}
            </Working>
          ) : (
            <Link className="button-link is-main" href={pageOf(step)}>
              {say(locale, step.title)}
            </Link>
          )}
        </div>
      ))}
    </section>
  );
}

/** A step that waits for an answer, and the run it is one of. */
interface Call {
  of: RunView;
  step: RunStep;
}

/**
 * Of the steps that somebody could answer, those for whose roles they were called: a neurologist could acknowledge for the
 * scanner and was not asked to. Whoever was called over the head of others, as the duty chief, is asked for all; and so is
 * everybody of whom it is not known for what they were called.
 *
 * @param roles for which somebody was called; nothing while that is still asked
 */
export function meantOf(run: RunView, steps: readonly RunStep[], roles: ReadonlySet<string> | undefined): readonly RunStep[] {
  if (roles === undefined) return [];
  if (roles.size === 0) return steps;
  const asked = new Set(run.steps.filter((step) => isSeen(step) || step.paged === true).map(({ role }) => role?.code));
  const isOver = [...roles].some((role) => !asked.has(role));
  return steps.filter(({ role }) => isOver || (role !== undefined && roles.has(role.code)));
}

/** The roles for which whoever looks was called in each of some runs; nothing while that is still asked. */
function usePaged(all: readonly RunView[]): (ReadonlySet<string> | undefined)[] {
  const paging = usePaging();
  const session = useSession();
  const own = [`PractitionerRole/${session.post ?? ""}`, `Practitioner/${session.practitioner ?? ""}`];
  return useQueries({
    queries: all.map(({ id }) => ({
      queryKey: [...aboutRun(id), "pages"],
      enabled: !isLay(session),
      refetchInterval: OTHERS,
      queryFn: ({ signal }: { signal: AbortSignal }) => paging.ofRun(id, signal),
    })),
  }).map(({ data, isError }) => {
    if (data === undefined) return isError || isLay(session) ? new Set<string>() : undefined;
    return new Set(data.filter(({ who }) => own.includes(who)).map(({ role }) => role));
  });
}

/** What else is under way in the same case. */
function useOthers(run: RunView): RunView[] {
  const runs = useRuns();
  const chain = useChain(run);
  const ids = (chain.data ?? []).flatMap(({ id, status }) => (id === undefined || id === run.id || status !== "in-progress" ? [] : [id]));
  const found = useQueries({
    queries: ids.map((id) => ({
      queryKey: [...aboutRun(id), "view"],
      refetchInterval: OTHERS,
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const other = await runs.run(id, signal);
        return { run: other, behind: Date.parse(other.now) - Date.now() };
      },
    })),
  });
  return found.flatMap(({ data }) => (data === undefined ? [] : [data.run]));
}
