import { Runs, type RunView, type Task } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { Link } from "wouter";
import { dayAt, showDate } from "../calendar";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { LiveMark, StaleBanner, useLive, useNow } from "../live";
import { say } from "../runs/words";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { save } from "../save";
import { PROTOCOL, RUN } from "../work/worklist";
import { byAge, leftOf, money, oldestFirst, owedCsv, owedIn, SETTLED_BY, SETTLEMENT, type Charge } from "./owed";
import "./settlement.css";

/** How many runs are read at once. */
const AT_ONCE = 6;

/** Everybody who was treated first and has not paid yet, the oldest bill on top, and what that comes to by age. */
export default function OwedPage() {
  const texts = useTexts();
  const { t, locale, known } = texts;
  const service = useService();
  const cache = useQueryClient();
  const own = postOf(useSession())?.organization ?? "";
  const now = useNow(60_000);
  const queryKey = ["owed", own];
  const asked = { _tag: `${RUN}|root`, status: "in-progress", code: `${PROTOCOL}|${SETTLEMENT}`, owner: `Organization/${own}` };
  const found = useQuery({
    queryKey,
    enabled: own !== "",
    queryFn: async ({ signal }) => {
      const tasks = await service.all<Task>("Task", { ...asked, _elements: "status", _count: "200" }, signal);
      const api = new Runs(service);
      const runs: RunView[] = [];
      const charges: Charge[] = [];
      for (let from = 0; from < tasks.length; from += AT_ONCE) {
        const ids = tasks.slice(from, from + AT_ONCE).flatMap(({ id }) => id ?? []);
        const identifier = ids.map((id) => `${SETTLED_BY}|${id}`).join(",");
        const [some, charged] = await Promise.all([
          Promise.all(ids.map((id) => api.run(id, signal))),
          service.search<Charge>("ChargeItem", { identifier, _count: "200" }, signal),
        ]);
        runs.push(...some);
        charges.push(...charged.found);
      }
      return { runs, charges };
    },
  });
  const live = useLive(`Task?${new URLSearchParams(asked).toString()}`, () => void cache.invalidateQueries({ queryKey }));

  const rows = oldestFirst((found.data?.runs ?? []).map((run) => owedIn(run, found.data?.charges ?? [], now)));
  const nameOf = ({ patient }: RunView) => patient?.display ?? t("patient.nameless");
  const shown = (amount: number | undefined) => (amount === undefined ? t("owed.unbilled") : money(amount));
  return (
    <section className="owed stack">
      <StaleBanner state={live.state} retry={live.retry} />
      <header className="owed-head">
        <h1>{t("owed.title")}</h1>
        <LiveMark state={live.state} />
        <Button disabled={rows.length === 0} onClick={() => save(`${t("owed.title")}-${dayAt(now)}.csv`, owedCsv(texts, rows, nameOf))}>
          {t("figures.csv")}
        </Button>
      </header>
      <p className="hint">{t("owed.help")}</p>
      {found.isPending && own !== "" && <Loading rows={6} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {(own === "" || (found.isSuccess && rows.length === 0)) && <Nothing title={t("owed.none")} help={t("owed.none.help")} />}
      {rows.length > 0 && (
        <>
          <ul className="owed-ages" aria-label={t("owed.ages")}>
            {byAge(rows).map(({ age, count, left, unknown }) => (
              <li key={age} className={`card is-${age}${count === 0 ? " is-none" : ""}`}>
                <span>{known("owed.age", age)}</span>
                <strong>{t("owed.count", { count })}</strong>
                <span className="what">
                  {t("owed.sum", { sum: money(left) })}
                  {unknown > 0 && ` · ${t("owed.unknown", { count: unknown })}`}
                </span>
              </li>
            ))}
          </ul>
          <ol className="card owed-rows">
            {rows.map((one) => (
              <li key={one.run.id} className={`is-${one.age}`}>
                <Link href={`/runs/${encodeURIComponent(one.run.id)}`}>
                  <strong>{nameOf(one.run)}</strong>
                  <span className="what">{t("owed.began", { date: showDate(one.run.began, locale) })}</span>
                </Link>
                <span className="owed-age">
                  <strong>{one.days === undefined ? known("owed.age", one.age) : t("owed.days", { count: one.days })}</strong>
                  <span className="what">{known("owed.status", one.run.status) ?? say(locale, one.run.protocol.title)}</span>
                </span>
                <span className="owed-sum">
                  <strong className="number">{shown(leftOf(one))}</strong>
                  {one.paid !== undefined && <span className="what">{t("owed.paid", { sum: money(one.paid) })}</span>}
                </span>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}
