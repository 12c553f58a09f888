import type { RunMilestone, RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Input } from "antd";
import { useState, type FormEvent } from "react";
import { bounds, minuteAt, readMinute } from "../calendar";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Field } from "../Field";
import { useTexts, type Texts } from "../language";
import { showSkew } from "../sources/SourcesPage";
import { skewAt, sourceOf as systemOf, type Source } from "../sources/sources";
import { useSources } from "../sources/useSources";
import { useSession } from "../session";
import { FailureNotice } from "../states";
import { useUnsaved } from "../unsaved";
import { showMoment } from "../views/Readable";
import { occurrences, type Occurrence } from "./graph";
import { aboutRun, useRuns } from "./reading";
import { nameOf } from "./RunPage";
import { say } from "./words";

/** The platform itself, as whoever writes. */
const PLATFORM = "Device/qingshan";

/** How much later than it happened something became known before that is worth a word, in milliseconds. */
const LATE = 5 * 60_000;

/** What has come about in a run, in the order of time, and what was corrected of it. */
export function Milestones({ run, mayCorrect }: { run: RunView; mayCorrect: boolean }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const [wrong, setWrong] = useState<RunMilestone>();
  const all = occurrences(run);
  // What the platform writes by itself has its clock; what a machine writes has the machine's.
  const isByMachine = all.some(({ now: { by } }) => by?.startsWith("client/") === true || (by?.startsWith("Device/") === true && by !== PLATFORM));
  const sources = useSources(mayCorrect && isByMachine).data ?? [];
  return (
    <section className="card" aria-label={t("milestone.title")}>
      <h2>{t("milestone.title")}</h2>
      {all.length === 0 && <p className="hint">{t("milestone.none")}</p>}
      <ol className="milestones">
        {all.map(({ now, before }) => (
          <li key={`${now.code} ${now.n}`}>
            <time className="milestone-at">{showMoment(texts, now.at)}</time>
            <span className="milestone-what">
              <strong>
                {say(locale, now.title)}
                {now.n > 1 && ` (${now.n})`}
              </strong>
              {now.early && <span className="tag tag-care">{t("milestone.early")}</span>}
              <span className="what line-note">{sourceOf(texts, run, now, sources)}</span>
              <Skew milestone={now} sources={sources} />
              {before.map((old) => (
                <span key={old.recorded} className="line-note milestone-old">
                  <del>{showMoment(texts, old.at)}</del> {correctionOf(texts, run, all, old)}
                </span>
              ))}
            </span>
            {mayCorrect && (
              <button type="button" className="inline-button" onClick={() => setWrong(now)}>
                {t("milestone.correct")}
              </button>
            )}
          </li>
        ))}
      </ol>
      {wrong !== undefined && <Correct run={run} milestone={wrong} onClose={() => setWrong(undefined)} />}
    </section>
  );
}

/** By whom, when and why a time was replaced: that stands with the one that took its place. */
function correctionOf(texts: Texts, run: RunView, all: readonly Occurrence[], old: RunMilestone): string {
  const { t } = texts;
  const own = all.find(({ now }) => now.code === old.code && now.n === old.n);
  const line = own === undefined ? [] : [...own.before, own.now];
  const next = line[line.indexOf(old) + 1];
  const told = { by: whoOf(run, next?.by) ?? "–", reason: next?.reason ?? "–", at: next === undefined ? "–" : showMoment(texts, next.recorded) };
  return next?.signed === undefined ? t("milestone.corrected", told) : t("milestone.corrected.signed", { ...told, signed: next.signed });
}

const whoOf = (run: RunView, by: string | undefined) => nameOf(run, by) ?? (by?.startsWith("Device/") ? undefined : by);

/**
 * From what it is known, by whom, and since when if not at once. What the platform makes of where a vehicle is is called after the
 * run (`Observation/….arrived`), and told as what it is.
 */
function sourceOf(texts: Texts, run: RunView, one: RunMilestone, sources: readonly Source[]): string {
  const { t, known } = texts;
  const [kind, id] = one.source?.split("/") ?? [];
  const parts = [
    one.by === PLATFORM ? t("milestone.byPlatform") : (systemOf(sources, one.by)?.name ?? whoOf(run, one.by)),
    kind !== undefined && (id?.endsWith(".arrived") === true ? t("milestone.byVehicle") : t("milestone.source", { kind: known("kind", kind) ?? kind })),
    Date.parse(one.recorded) - Date.parse(one.at) > LATE && t("milestone.recorded", { at: showMoment(texts, one.recorded) }),
  ];
  return parts.filter(Boolean).join(" · ");
}

/** That a time came from a system whose clock was off. The time itself stays as that system wrote it. */
function Skew({ milestone, sources }: { milestone: RunMilestone; sources: readonly Source[] }) {
  const texts = useTexts();
  const { t } = texts;
  const source = systemOf(sources, milestone.by);
  const skew = source && skewAt(source, Date.parse(milestone.recorded));
  const said = milestone.said && (
    <span className="line-note milestone-skew" role="note">
      <span aria-hidden>▲ </span>
      {t("milestone.said", { said: showMoment(texts, milestone.said), at: showMoment(texts, milestone.at) })}
    </span>
  );
  if (source === undefined || skew === undefined) return said ?? null;
  return (
    <>
      {said}
      <span className="line-note milestone-skew" role="note">
        <span aria-hidden>▲ </span>
        {t("milestone.skew", { source: source.name, skew: showSkew(texts, skew), at: showMoment(texts, new Date(skew.at).toISOString()) })}
      </span>
    </>
  );
}

/** A name without the spaces that some write between its parts. */
const bare = (name: string) => name.replace(/\s+/g, "").toLowerCase();

/** Corrects the time of a milestone; the old one stays, struck through, with the reason. */
function Correct({ run, milestone, onClose }: { run: RunView; milestone: RunMilestone; onClose(): void }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const cache = useQueryClient();
  const before = minuteAt(bounds(milestone.at)?.from ?? 0);
  const [at, setAt] = useState(before);
  const [reason, setReason] = useState("");
  const [signature, setSignature] = useState("");
  const { name } = useSession();
  const isSigned = bare(signature) === bare(name);
  const [isAsked, setIsAsked] = useState(false);
  const moment = readMinute(at);
  const correct = useMutation({
    mutationFn: () =>
      runs.act(run.id, {
        deed: "correct",
        milestone: milestone.code,
        n: milestone.n,
        at: moment ?? milestone.at,
        reason: { code: "", text: reason.trim() },
        signature: signature.trim(),
      }),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: aboutRun(run.id) });
      onClose();
    },
  });
  useUnsaved(at !== before || reason !== "");
  const isFuture = moment !== undefined && Date.parse(moment) > Date.now();
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsAsked(true);
    if (moment !== undefined && !isFuture && reason.trim() !== "" && isSigned && !correct.isPending) correct.mutate();
  };
  const timeError = moment === undefined ? t("milestone.correct.time") : isFuture ? t("milestone.correct.future") : undefined;
  return (
    <Dialog title={t("milestone.correct.title", { what: say(locale, milestone.title) })} onClose={onClose}>
      <form onSubmit={send}>
        <Field label={t("milestone.correct.at")} help={t("milestone.correct.format")} error={isAsked ? timeError : undefined}>
          {(field) => <Input {...field} className="measure" value={at} onChange={(event) => setAt(event.target.value)} />}
        </Field>
        <Field label={t("milestone.correct.reason")} error={isAsked && reason.trim() === "" ? t("milestone.correct.why") : undefined}>
          {(field) => <Input {...field} maxLength={200} value={reason} onChange={(event) => setReason(event.target.value)} />}
        </Field>
        <Field label={t("milestone.correct.sign")} help={t("milestone.correct.sign.help", { name })} error={isAsked && !isSigned ? t("milestone.correct.sign.wrong", { name }) : undefined}>
          {(field) => <Input {...field} autoComplete="off" maxLength={100} value={signature} onChange={(event) => setSignature(event.target.value)} />}
        </Field>
        {correct.isError && <FailureNotice cause={correct.error} unsaved={t("milestone.correct.unsaved")} />}
        <DialogEnd onClose={onClose} isBusy={correct.isPending}>
          {t("milestone.correct.save")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}
