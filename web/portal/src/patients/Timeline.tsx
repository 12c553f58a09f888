import { Input } from "antd";
import { Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { dayAt } from "../calendar";
import { useTexts } from "../language";
import { part } from "../part";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { usePlaceNames, useTimeline } from "./reading";
import { showTitle, showValues } from "./show";
import { GROUPS, groups, placesOf, type Entry, type Group } from "./timeline";
import { TimelineList, type Grouping } from "./TimelineList";

const Details = part(() => import("../views/Details"));

/** How far back a timeline may reach, in days; the longest is all. */
const PERIODS = { all: undefined, quarter: 92, year: 366, threeYears: 1096 } as const;
type Period = keyof typeof PERIODS;

/** What happened to one person at every institution, newest first. */
export function Timeline(props: { id: string; ids: readonly string[]; name: string; mark: ReactNode }) {
  const { id, ids, name, mark } = props;
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const [group, setGroup] = useState<Group>();
  const [period, setPeriod] = useState<Period>("all");
  const [place, setPlace] = useState("");
  const [words, setWords] = useState("");
  const [grouping, setGrouping] = useState<Grouping>("day");
  const [opened, setOpened] = useState<Entry>();
  const days = PERIODS[period];
  const since = days === undefined ? undefined : dayAt(Date.now() - days * 86_400_000);
  const only = group && GROUPS[group];
  const { query, entries, hasMore, failures } = useTimeline(service, id, { ids, since }, only);
  const { isNew, latest } = useArrivals(entries, query.data?.pages.length ?? 0);

  const sources = placesOf(entries);
  const nameOfPlace = usePlaceNames(service, [...sources.values()]);
  const placeOf = (entry: Entry) => nameOfPlace(sources.get(entry));
  const known = [...new Set(entries.map(placeOf).filter((name) => name !== undefined))].sort();
  const wanted = words.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
  const shown = entries.filter((entry) => {
    if (place !== "" && placeOf(entry) !== place) return false;
    if (wanted.length === 0) return true;
    const said = [showTitle(texts, entry), showValues(texts, entry), placeOf(entry), ...entry.notes].join(" ").toLowerCase();
    return wanted.every((word) => said.includes(word));
  });
  const isNarrowed = place !== "" || wanted.length > 0;

  const list = (names: string[]) => names.join(texts.locale === "zh-CN" ? "、" : ", ");
  const refused = failures.filter(([, failure]) => failure.kind === "refused").map(([kind]) => t(`kind.${kind}`));
  const failed = failures.filter(([, failure]) => failure.kind !== "refused").map(([kind]) => t(`kind.${kind}`));

  return (
    <section className="timeline" aria-label={t("timeline.title")}>
      <header className="timeline-head">
        <h2>{t("timeline.title")}</h2>
        {mark}
      </header>
      <div className="filters" role="group" aria-label={t("timeline.filter")}>
        {[undefined, ...groups].map((one) => (
          <button
            type="button"
            key={one ?? "all"}
            aria-pressed={one === group}
            onClick={() => setGroup(one)}
            className="filter"
          >
            {one === undefined ? t("timeline.all") : t(`group.${one}`)}
          </button>
        ))}
      </div>
      <div className="narrowing">
        <label>
          <span className="what">{t("timeline.place")}</span>
          <select value={place} onChange={(event) => setPlace(event.target.value)}>
            <option value="">{t("timeline.place.all")}</option>
            {known.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="what">{t("timeline.period")}</span>
          <select value={period} onChange={(event) => setPeriod(event.target.value as Period)}>
            {(Object.keys(PERIODS) as Period[]).map((one) => (
              <option key={one} value={one}>
                {t(`period.${one}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="what">{t("timeline.grouping")}</span>
          <select value={grouping} onChange={(event) => setGrouping(event.target.value as Grouping)}>
            <option value="day">{t("timeline.grouping.day")}</option>
            <option value="visit">{t("timeline.grouping.visit")}</option>
          </select>
        </label>
        <label className="narrowing-words">
          <span className="read-out">{t("timeline.words")}</span>
          <Input allowClear placeholder={t("timeline.words")} value={words} onChange={(event) => setWords(event.target.value)} />
        </label>
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
          title={t(group === undefined ? "timeline.empty" : "timeline.empty.kind")}
          {...(group === undefined && { help: t("timeline.empty.help") })}
        />
      )}
      {entries.length > 0 && shown.length === 0 && <Nothing title={t("timeline.empty.narrow")} />}
      {shown.length > 0 && (
        <TimelineList entries={shown} grouping={grouping} isNew={isNew} placeOf={placeOf} onOpen={setOpened} />
      )}
      {isNarrowed && hasMore && <p className="timeline-end">{t("timeline.narrowed", { count: entries.length })}</p>}
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
      {opened !== undefined && (
        <Suspense fallback={null}>
          <Details
            resource={opened.resource}
            title={showTitle(texts, opened)}
            place={placeOf(opened)}
            patients={ids}
            name={name}
            onClose={() => setOpened(undefined)}
          />
        </Suspense>
      )}
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
