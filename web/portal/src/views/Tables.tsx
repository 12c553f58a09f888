import type { CodeableConcept, Observation } from "@qingshan/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { bounds, dayAt } from "../calendar";
import { useTexts, type Key } from "../language";
import { about } from "../patients/reading";
import { showConcept, showValue } from "../patients/show";
import { entryOf, rank, type Entry } from "../patients/timeline";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { pointsOf } from "./Details";
import { Sparkline } from "./Sparkline";
import "./views.css";

const PAGE = "100";
/** Days that stand side by side, the newest first. */
const COLUMNS = 6;

/** Categories that have a table of their own, in the order in which they are shown. */
const CATEGORIES = { "vital-signs": "tables.vitals", laboratory: "tables.laboratory", other: "tables.other" } as const satisfies Record<
  string,
  Key
>;
type Category = keyof typeof CATEGORIES;

/** One thing that is measured again and again. */
interface Row {
  key: string;
  name: CodeableConcept;
  entries: Entry[];
}

/** What was measured, day beside day, each with how it went. */
export default function Tables({ id, ids }: { id: string; ids: readonly string[] }) {
  const { t } = useTexts();
  const service = useService();
  const query = useInfiniteQuery({
    queryKey: [...about(id), "tables", ...ids],
    queryFn: ({ pageParam, signal }) =>
      pageParam === undefined
        ? service.search<Observation>("Observation", { patient: ids.join(","), _sort: "-date", _count: PAGE }, signal)
        : service.page<Observation>(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });
  const found = (query.data?.pages ?? []).flatMap((page) => page.found);
  if (query.isPending) return <Loading rows={8} />;
  if (query.isError && found.length === 0) return <FailureNotice cause={query.error} retry={() => void query.refetch()} />;
  if (found.length === 0) return <Nothing title={t("tables.empty")} />;
  return (
    <div className="stack">
      {(Object.keys(CATEGORIES) as Category[]).map((category) => (
        <Table key={category} title={t(CATEGORIES[category])} rows={rowsOf(found, category)} />
      ))}
      {query.hasNextPage && (
        <Working
          block
          busy={query.isFetchingNextPage ? t("state.loading") : undefined}
          onClick={() => void query.fetchNextPage()}
        >
          {t("timeline.more")}
        </Working>
      )}
    </div>
  );
}

function categoryOf(observation: Observation): Category {
  const codes = (observation.category ?? []).flatMap((concept) => concept.coding ?? []).map((coding) => coding.code);
  return codes.includes("vital-signs") ? "vital-signs" : codes.includes("laboratory") ? "laboratory" : "other";
}

function rowsOf(observations: readonly Observation[], category: Category): Row[] {
  const rows = new Map<string, Row>();
  for (const observation of observations) {
    const entry = entryOf(observation);
    if (entry === undefined || entry.values.length === 0 || categoryOf(observation) !== category) continue;
    const coding = observation.code.coding?.[0];
    const key = coding === undefined ? (observation.code.text ?? "") : `${coding.system}|${coding.code}`;
    const row = rows.get(key) ?? { key, name: observation.code, entries: [] };
    row.entries.push(entry);
    rows.set(key, row);
  }
  return [...rows.values()];
}

function Table({ title, rows }: { title: string; rows: readonly Row[] }) {
  const texts = useTexts();
  const { t, known } = texts;
  if (rows.length === 0) return null;
  const dayOf = (entry: Entry) => dayAt(Math.min(rank(entry), bounds(entry.when.end ?? entry.when.start)?.from ?? 0));
  const days = [...new Set(rows.flatMap((row) => row.entries.map(dayOf)))].sort().reverse().slice(0, COLUMNS);
  return (
    <section className="card table-card">
      <h2>{title}</h2>
      <div className="scrolled">
        <table>
          <thead>
            <tr>
              <th scope="col">{t("tables.item")}</th>
              <th scope="col">{t("tables.course")}</th>
              {days.map((day) => (
                <th scope="col" key={day}>
                  {day}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key}>
                <th scope="row">{showConcept(texts, row.name)}</th>
                <td>
                  <Sparkline points={pointsOf(row.entries.map((entry) => entry.resource as Observation))} width={96} height={28} />
                </td>
                {days.map((day) => {
                  const entry = row.entries.find((one) => dayOf(one) === day);
                  return (
                    <td key={day}>
                      {entry?.values.map((value, place) => (
                        <span key={place} className="cell">
                          {value.name !== undefined && <span className="what">{showConcept(texts, value.name)} </span>}
                          {showValue(texts, value)}
                          {known("flag", value.flag) !== undefined && <strong className="flag"> {known("flag", value.flag)}</strong>}
                        </span>
                      ))}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
