import type { Observation, Protocol, QuestionnaireItem, QuestionnaireResponse, RunView } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { itemsOf, labelOf, unitOf } from "../forms/questionnaire";
import { useForm } from "../forms/reading";
import { shownUnit } from "../forms/units";
import { useTexts, type Texts } from "../language";
import { useLive, useNow } from "../live";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { isNumber, valueOf, type Answer } from "./Answers";
import { useCrewed } from "./crew";
import { firstPapers } from "./Papers";
import { CODES, expectedOf, FRESH, positionOf, reckonedOf, sinceBefore } from "./position";
import { aboutRun, useProtocol, useRuns } from "./reading";
import { nameOf } from "./RunPage";
import { standing } from "./graph";
import { changesOf, isWarned, readAt, rereads, resends, SENT, unreadOf, versionsOf, type Change, type Version } from "./warning";
import { conceptIn, showLength } from "./words";

/** What has changed in a warning since it was read, and where the vehicle is. Nothing where nobody warned. */
export function WarningVersions({ run }: { run: RunView }) {
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  if (protocol.data === undefined || !isWarned(protocol.data) || standing(run, SENT) === undefined) return null;
  return <Versions run={run} protocol={protocol.data} />;
}

function Versions({ run, protocol }: { run: RunView; protocol: Protocol }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const again = resends(protocol);
  const later = run.steps.filter(({ code, response }) => again.has(code) && response !== undefined);
  const found = useQuery({
    queryKey: [...aboutRun(run.id), "versions", later.map(({ response }) => response).join(" ")],
    queryFn: async ({ signal }) => {
      const [first, ...responses] = await Promise.all([
        firstPapers(service, run, signal),
        ...later.map(({ response = "" }) => service.read<QuestionnaireResponse>("QuestionnaireResponse", response.replace("QuestionnaireResponse/", ""), signal)),
      ]);
      return versionsOf(first[0], responses.map((response, place) => ({ response, by: later[place]?.by })));
    },
  });
  const asked = useAsked(protocol, again);
  const versions = found.data ?? [];
  const read = readAt(run, protocol);
  const unread = unreadOf(versions, read);
  const known = versions.filter((version) => !unread.includes(version));
  // Before anybody has read anything there is nothing that has changed: the whole is new.
  const changes = known.length === 0 ? changesOf(versions.slice(0, 1), versions.slice(1)) : changesOf(known, unread);
  return (
    <section className="card warning-versions" aria-label={t("warning.title")}>
      <h2>
        {t("warning.title")}{" "}
        {versions.length > 0 && <span className="tag">{t("warning.version", { n: versions.length })}</span>}{" "}
        {unread.length > 0 && known.length > 0 && (
          <strong className="tag tag-grave" role="status">
            {t("warning.unread", { count: unread.length })}
          </strong>
        )}
        {known.length === 0 && versions.length > 0 && <strong className="tag tag-grave">{t("warning.unread.all")}</strong>}
      </h2>
      <Whereabouts run={run} />
      {found.isPending && <Loading rows={2} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {changes.length > 0 && <Changes run={run} changes={changes} asked={asked} isUnread={unread.length > 0} />}
      {found.isSuccess && changes.length === 0 && <p className="hint">{t(versions.length > 1 ? "warning.none" : "warning.first")}</p>}
      {unread.length > 0 && known.length > 0 && <MarkRead run={run} protocol={protocol} />}
      {versions.length > 1 && (
        <details className="warning-history">
          <summary>{t("warning.history")}</summary>
          <ol>
            {versions.map((version, place) => (
              <li key={version.response.id ?? place}>
                <p>{versionLine(texts, run, version)}</p>
                {place > 0 && <Changes run={run} changes={changesOf(versions.slice(0, place), [version])} asked={asked} isUnread={false} />}
              </li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}

function versionLine(texts: Texts, run: RunView, { n, by, written, received }: Version): string {
  const { t } = texts;
  const late = written !== undefined && Date.parse(received) - Date.parse(written) > FRESH;
  const parts = [
    t("warning.version", { n }),
    nameOf(run, by),
    written !== undefined && t("warning.written", { at: showMoment(texts, written) }),
    late && t("warning.received", { at: showMoment(texts, received) }),
  ];
  return parts.filter(Boolean).join(" · ");
}

/** What the form of a version asks, by its link. */
function useAsked(protocol: Protocol, again: ReadonlySet<string>): ReadonlyMap<string, QuestionnaireItem> {
  const service = useService();
  const form = useForm(service, protocol.step?.find(({ code }) => again.has(code))?.form);
  return useMemo(() => new Map([...itemsOf(form.data?.item)].map((item) => [item.linkId, item])), [form.data]);
}

function Changes({ run, changes, asked, isUnread }: { run: RunView; changes: readonly Change[]; asked: ReadonlyMap<string, QuestionnaireItem>; isUnread: boolean }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const unitIn = (linkId: string) => {
    const own = asked.get(linkId);
    return own && shownUnit(unitOf(own));
  };
  const askedAs = (linkId: string) => {
    const own = asked.get(linkId);
    return own && labelOf(locale, own);
  };
  const show = (answers: readonly Answer[], linkId: string) => answers.map((answer) => [valueOf(texts, answer), isNumber(answer) && unitIn(linkId)].filter(Boolean).join(" ")).join(locale === "zh-CN" ? "、" : ", ");
  return (
    <ul className={`warning-changes${isUnread ? " is-unread" : ""}`}>
      {changes.map(({ linkId, item, before, after, version }) => (
        <li key={linkId}>
          <span className="warning-what">
            {isUnread && (
              <strong className="warning-mark">
                <span aria-hidden>● </span>
                {t("warning.mark")}
              </strong>
            )}{" "}
            {conceptIn(locale, item) ?? askedAs(linkId) ?? linkId}
          </span>
          <span>
            {before.length > 0 ? <del>{show(before, linkId)}</del> : <span className="what">{t("warning.nothing")}</span>}
            <span aria-hidden>{" → "}</span>
            <ins>{show(after, linkId)}</ins>
          </span>
          <span className="what">{versionLine(texts, run, version)}</span>
        </li>
      ))}
    </ul>
  );
}

/** The way to say that one has read what changed, for whoever may. */
function MarkRead({ run, protocol }: { run: RunView; protocol: Protocol }) {
  const { t } = useTexts();
  const runs = useRuns();
  const cache = useQueryClient();
  const seen = rereads(protocol);
  const open = run.steps.filter(({ code, state, may }) => seen.has(code) && may && (state === "ready" || state === "taken"));
  const read = useMutation({
    mutationFn: async () => {
      for (const { code, n } of open) await runs.act(run.id, { deed: "acknowledge", step: code, n });
    },
    onSettled: () => cache.invalidateQueries({ queryKey: aboutRun(run.id) }),
  });
  if (open.length === 0) return null;
  return (
    <>
      {read.isError && <FailureNotice cause={read.error} />}
      <Working type="primary" busy={read.isPending ? t("state.saving") : undefined} onClick={() => read.mutate()}>
        {t("warning.read")}
      </Working>
    </>
  );
}

/** Where the vehicle is and when it is expected, each with how old that is. */
function Whereabouts({ run }: { run: RunView }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const cache = useQueryClient();
  const patient = run.patient?.reference ?? "";
  const queryKey = [...aboutRun(run.id), "position", patient];
  const found = useQuery({
    queryKey,
    enabled: patient !== "",
    queryFn: ({ signal }) => service.search<Observation>("Observation", { patient, code: CODES, date: sinceBefore([run]), _sort: "-date", _count: "20" }, signal),
  });
  useLive(`Observation?patient=${patient}`, () => void cache.invalidateQueries({ queryKey }));
  const isCrewed = useCrewed([run])(run);
  const now = useNow(5_000) + service.behind;
  if (standing(run, "arrived") !== undefined || run.end !== undefined) return null;
  const position = positionOf(found.data?.found ?? []);
  const eta = expectedOf(found.data?.found ?? []);
  const reckoned = reckonedOf(found.data?.found ?? []);
  if (position === undefined && eta === undefined && reckoned === undefined && (!isCrewed || !found.isSuccess)) return null;
  const age = position === undefined ? undefined : Math.max(0, now - position.at);
  const isOld = age !== undefined && age > FRESH;
  return (
    <p className={`warning-position${isOld ? " is-old" : ""}`}>
      {position === undefined || age === undefined ? (
        isCrewed && t("warning.position.none")
      ) : (
        <>
          <span aria-hidden>{isOld ? "⚠ " : "◉ "}</span>
          {t(isOld ? "warning.position.old" : "warning.position", {
            where: `${position.latitude.toFixed(4)}, ${position.longitude.toFixed(4)}`,
            ago: showLength(texts, age),
          })}
        </>
      )}
      {eta !== undefined && (position !== undefined || isCrewed) && " · "}
      {eta !== undefined && t("warning.eta", { at: showMoment(texts, eta.eta), ago: showLength(texts, Math.max(0, now - eta.at)) })}
      {reckoned !== undefined && " · "}
      {reckoned !== undefined && t(`warning.eta.${reckoned.way}`, { at: showMoment(texts, reckoned.eta), ago: showLength(texts, Math.max(0, now - reckoned.at)) })}
    </p>
  );
}
