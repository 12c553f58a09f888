import { useQueryClient } from "@tanstack/react-query";
import { Button, Drawer } from "antd";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useTexts } from "../language";
import { LiveMark, StaleBanner, useLive, useNow } from "../live";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { Banner } from "./Banner";
import { nameOf } from "./person";
import { about, useGlance, usePatient, useTimeline, type Glance } from "./reading";
import { RecordVital } from "./RecordVital";
import { showAgo, showGroup, showSpan, showTitle, showValues } from "./show";
import { kinds, rank, type Entry, type Kind, type Value } from "./timeline";
import { TimelineList } from "./TimelineList";

/** Everything about one person, kept current while it is shown. */
export default function PatientPage({ id }: { id: string }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [isRecording, setIsRecording] = useState(false);
  const patient = usePatient(service, id);
  const glance = useGlance(service, id);
  const live = useLive(`Patient/${id}`, (change) => {
    const isSelf = change?.type === "Patient";
    const stale = change === undefined ? about(id) : isSelf ? [...about(id), "self"] : undefined;
    if (stale !== undefined) void cache.invalidateQueries({ queryKey: stale });
    if (change !== undefined && !isSelf) {
      for (const part of ["glance", "timeline"]) void cache.invalidateQueries({ queryKey: [...about(id), part] });
    }
  });

  if (patient.data === undefined) {
    return (
      <>
        <StaleBanner state={live.state} retry={live.retry} />
        {patient.isError ? (
          <FailureNotice cause={patient.error} retry={() => void patient.refetch()} />
        ) : (
          <Loading rows={6} />
        )}
      </>
    );
  }
  const name = nameOf(patient.data) ?? t("patient.nameless");
  return (
    <>
      <div className="sticky">
        <StaleBanner state={live.state} retry={live.retry} />
        <Banner patient={patient.data} glance={glance.data} />
      </div>
      <div className="page-tools">
        <Latest glance={glance.data} />
        <Button type="primary" size="large" className="record" onClick={() => setIsRecording(true)}>
          {t("vitals.title")}
        </Button>
      </div>
      <Timeline id={id} mark={<LiveMark state={live.state} />} />
      <Drawer
        open={isRecording}
        onClose={() => setIsRecording(false)}
        title={t("vitals.title")}
        size={440}
        destroyOnHidden
        closable={{ "aria-label": t("vitals.close") }}
        rootClassName="recording"
      >
        <RecordVital
          patient={id}
          name={name}
          person={patient.data}
          onDone={() => {
            setIsRecording(false);
            for (const part of ["glance", "timeline"]) void cache.invalidateQueries({ queryKey: [...about(id), part] });
          }}
        />
      </Drawer>
    </>
  );
}

function Latest({ glance }: { glance: Glance | undefined }) {
  const { t } = useTexts();
  return (
    <dl className="latest" aria-label={t("latest.title")}>
      <LatestValue name={t("vitals.bloodPressure")} entry={glance?.bloodPressure} isLoading={glance === undefined} />
      <LatestValue name={t("vitals.temperature")} entry={glance?.temperature} isLoading={glance === undefined} />
    </dl>
  );
}

function LatestValue({ name, entry, isLoading }: { name: string; entry: Entry | undefined; isLoading: boolean }) {
  const texts = useTexts();
  const { t } = texts;
  const now = useNow(30_000);
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {entry === undefined ? (
          <span className="what">{isLoading ? t("state.loading") : t("latest.none")}</span>
        ) : (
          <>
            {entry.values.map((value, place) => (
              <LatestLine key={place} value={value} />
            ))}
            <span className="what latest-when">
              <span>
                {showGroup(texts, entry)} {showSpan(texts, entry)}
              </span>
              <strong>{showAgo(texts, rank(entry), now)}</strong>
            </span>
          </>
        )}
      </dd>
    </div>
  );
}

function LatestLine({ value }: { value: Value }) {
  const { known } = useTexts();
  const flag = known("flag", value.flag);
  return (
    <span className="latest-value">
      <strong>{value.text}</strong> {value.unit}
      {flag !== undefined && <span className="tag tag-grave">{flag}</span>}
    </span>
  );
}

function Timeline({ id, mark }: { id: string; mark: ReactNode }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const [only, setOnly] = useState<Kind>();
  const { query, entries, hasMore, failures } = useTimeline(service, id, only);
  const { isNew, latest } = useArrivals(entries, query.data?.pages.length ?? 0);

  const refused = failures.filter(([, failure]) => failure.kind === "refused").map(([kind]) => t(`kind.${kind}`));
  const failed = failures.filter(([, failure]) => failure.kind !== "refused").map(([kind]) => t(`kind.${kind}`));
  const list = (names: string[]) => names.join(texts.locale === "zh-CN" ? "、" : ", ");

  return (
    <section className="timeline" aria-label={t("timeline.title")}>
      <header className="timeline-head">
        <h2>{t("timeline.title")}</h2>
        {mark}
      </header>
      <div className="filters" role="group" aria-label={t("timeline.filter")}>
        {[undefined, ...kinds].map((kind) => (
          <button
            type="button"
            key={kind ?? "all"}
            aria-pressed={kind === only}
            onClick={() => setOnly(kind)}
            className="filter"
          >
            {kind === undefined ? t("timeline.all") : t(`kind.${kind}`)}
          </button>
        ))}
      </div>
      <p className="read-out" role="status">
        {latest && t("timeline.announce", { what: `${showTitle(texts, latest)} ${showValues(texts, latest)}` })}
      </p>
      {refused.length > 0 && <p className="gap-note">{t("timeline.refused", { kinds: list(refused) })}</p>}
      {failed.length > 0 && <p className="gap-note">{t("timeline.failed", { kinds: list(failed) })}</p>}
      {query.isError && <FailureNotice cause={query.error} retry={() => void query.refetch()} />}
      {query.isPending && <Loading rows={8} />}
      {query.isSuccess && entries.length === 0 && !hasMore && (
        <Nothing
          title={t(only === undefined ? "timeline.empty" : "timeline.empty.kind")}
          {...(only === undefined && { help: t("timeline.empty.help") })}
        />
      )}
      {entries.length > 0 && <TimelineList entries={entries} isNew={isNew} />}
      {hasMore && (
        <Working
          block
          busy={query.isFetchingNextPage ? t("state.loading") : undefined}
          onClick={() => void query.fetchNextPage()}
        >
          {t("timeline.more")}
        </Working>
      )}
      {!hasMore && entries.length > 0 && <p className="timeline-end">{t("timeline.end")}</p>}
    </section>
  );
}

/** Which entries the record took in since this page was opened, told apart from older ones that were merely read later. */
function useArrivals(entries: readonly Entry[], pages: number) {
  const known = useRef<Set<string>>(undefined);
  const [arrived, setArrived] = useState<ReadonlySet<string>>(new Set());
  const before = useRef(0);
  const newest = useRef(0);
  useEffect(() => {
    if (pages === 0) return;
    const names = entries.map((entry) => `${entry.kind}/${entry.id}`);
    const seen = known.current;
    known.current = new Set([...(seen ?? []), ...names]);
    const fresh = entries.filter((entry, place) => !seen?.has(names[place] ?? "") && entry.kept > newest.current);
    newest.current = Math.max(newest.current, ...entries.map((entry) => entry.kept));
    const isReadOn = before.current !== pages;
    before.current = pages;
    if (seen === undefined || isReadOn || fresh.length === 0) return;
    setArrived((old) => new Set([...old, ...fresh.map((entry) => `${entry.kind}/${entry.id}`)]));
  }, [entries, pages]);
  const isNew = (entry: Entry) => arrived.has(`${entry.kind}/${entry.id}`);
  const latest = entries.filter(isNew).sort((left, right) => right.kept - left.kept)[0];
  return { isNew, latest };
}
