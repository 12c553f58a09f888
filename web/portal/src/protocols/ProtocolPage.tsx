import type { Protocol } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { useSearchParams } from "wouter";
import { cited } from "../citations";
import { useTexts } from "../language";
import { part } from "../part";
import { Graph, Lanes } from "../runs/Graph";
import { useProtocol, useRuns } from "../runs/reading";
import { say, showSpanOf } from "../runs/words";
import { useMatch } from "../settings";
import { FailureNotice, Loading } from "../states";
import "../runs/runs.css";
import "./protocols.css";

const StartRun = part(() => import("./StartRun"));
const Ward = part(() => import("../suggestions/Ward"));
const Rehearse = part(() => import("./Rehearse"));
const Figures = part(() => import("./Figures"));
const MonthReport = part(() => import("./MonthReport"));

const views = ["drawn", "start", "rehearsal", "suggested", "figures", "month"] as const;
const narrow = matchMedia("(max-width: 900px)");

/** One protocol: drawn before it runs, started by hand, played through, and in figures. */
export default function ProtocolPage({ code }: { code: string }) {
  const { t, locale } = useTexts();
  const [address, setAddress] = useSearchParams();
  const runs = useRuns();
  const protocol = useProtocol(code);
  const entries = useQuery({ queryKey: ["protocols"], queryFn: ({ signal }) => runs.protocols(signal) });
  const mayStart = entries.data?.some((one) => one.code === code && one.mayStart) === true;
  const suggests = mayStart && entries.data?.some((one) => one.code === code && one.suggests) === true;
  const offered = views.filter((view) => (view === "start" ? mayStart : view !== "suggested" || suggests));
  const view = offered.find((one) => one === address.get("view")) ?? "drawn";
  if (protocol.isPending) return <Loading rows={10} />;
  if (protocol.isError && protocol.data === undefined) return <FailureNotice cause={protocol.error} retry={() => void protocol.refetch()} />;
  return (
    <section className="protocol stack">
      <header>
        <h1>{say(locale, protocol.data.title)}</h1>
        {protocol.data.purpose !== undefined && <p>{say(locale, protocol.data.purpose)}</p>}
        <nav className="filters" aria-label={t("protocols.views")}>
          {offered.map((one) => (
            <button
              key={one}
              type="button"
              className="filter"
              aria-pressed={one === view}
              onClick={() => {
                const patient = address.get("patient");
                setAddress({ ...(one !== "drawn" && { view: one }), ...(patient !== null && { patient }) }, { replace: true });
              }}
            >
              {t(`protocols.view.${one}`)}
            </button>
          ))}
        </nav>
      </header>
      <Suspense fallback={<Loading rows={6} />}>
        {view === "drawn" && <Drawn protocol={protocol.data} />}
        {view === "start" && <StartRun protocol={protocol.data} patient={address.get("patient") ?? undefined} suggestion={address.get("suggestion") ?? undefined} />}
        {view === "rehearsal" && <Rehearse protocol={protocol.data} />}
        {view === "suggested" && <Ward protocol={protocol.data} />}
        {view === "figures" && <Figures protocol={protocol.data} />}
        {view === "month" && <MonthReport protocol={protocol.data} />}
      </Suspense>
    </section>
  );
}

/** What a protocol says: the drawing, who takes part, and the clocks with where their limits come from. */
function Drawn({ protocol }: { protocol: Protocol }) {
  const { t, locale, known } = useTexts();
  const isNarrow = useMatch(narrow);
  const starts = (protocol.start ?? []).filter((one) => one.code !== undefined);
  const [start, setStart] = useState("");
  const [klass, setClass] = useState("");
  const of = { class: klass || undefined, begun: starts.find((one) => one.code === start)?.reach };
  const list = (words: readonly string[]) => words.join(locale === "zh-CN" ? "、" : ", ");
  const className = new Map((protocol.class ?? []).map((one) => [one.code, say(locale, one.title)]));
  const milestone = new Map((protocol.milestone ?? []).map((one) => [one.code, say(locale, one.title)]));
  return (
    <>
      <section className="card" aria-label={t("graph.title")}>
        <h2>{t("graph.title")}</h2>
        <div className="work-tools">
          {starts.length > 1 && (
            <label>
              <span className="what">{t("protocol.began")}</span>
              <select value={start} onChange={(event) => setStart(event.target.value)}>
                <option value="">{t("protocol.began.all")}</option>
                {starts.map((one) => (
                  <option key={one.code} value={one.code}>
                    {say(locale, one.title) || one.code}
                  </option>
                ))}
              </select>
            </label>
          )}
          {(protocol.class ?? []).length > 1 && (
            <label>
              <span className="what">{t("work.class")}</span>
              <select value={klass} onChange={(event) => setClass(event.target.value)}>
                <option value="">{t("work.class.all")}</option>
                {(protocol.class ?? []).map((one) => (
                  <option key={one.code} value={one.code}>
                    {say(locale, one.title)}
                  </option>
                ))}
              </select>
            </label>
          )}
        </div>
        {isNarrow ? <Lanes protocol={protocol} of={of} /> : <Graph protocol={protocol} of={of} />}
      </section>
      <section className="card" aria-label={t("protocol.roles")}>
        <h2>{t("protocol.roles")}</h2>
        <dl className="protocol-roles">
          {(protocol.role ?? []).map((role) => (
            <div key={role.code}>
              <dt>{t(`party.${role.party}`)}</dt>
              <dd>
                <strong>{say(locale, role.title)}</strong>
                {(role.duties ?? []).length > 0 && <span className="what"> {list((role.duties ?? []).map((duty) => known("duty", duty) ?? duty))}</span>}
              </dd>
            </div>
          ))}
        </dl>
      </section>
      {(protocol.clock ?? []).length > 0 && (
        <section className="card" aria-label={t("clock.title")}>
          <h2>{t("clock.title")}</h2>
          <div className="protocol-table">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t("protocol.clock")}</th>
                  <th scope="col">{t("work.class")}</th>
                  <th scope="col">{t("protocol.target")}</th>
                  <th scope="col">{t("protocol.warn")}</th>
                  <th scope="col">{t("protocol.breach")}</th>
                  <th scope="col">{t("protocol.source")}</th>
                </tr>
              </thead>
              <tbody>
                {(protocol.clock ?? []).map((clock) => {
                  const limits = clock.limit ?? [];
                  const rows = limits.length === 0 ? [undefined] : limits;
                  return rows.map((limit, place) => (
                    <tr key={`${clock.code} ${limit?.class ?? ""}`}>
                      {place === 0 && (
                        <th scope="rowgroup" rowSpan={rows.length}>
                          {say(locale, clock.title)}
                          <span className="what line-note">
                            {milestone.get(clock.from) ?? clock.from} → {list(clock.to.map((code) => milestone.get(code) ?? code))}
                            {clock.calendar !== undefined && ` · ${t("protocol.calendar")}`}
                          </span>
                        </th>
                      )}
                      <td>{limit === undefined ? "" : (className.get(limit.class ?? "") ?? t("protocol.otherClasses"))}</td>
                      <td>{limit?.target !== undefined && showSpanOf({ t }, limit.target)}</td>
                      <td>{limit?.warn !== undefined && showSpanOf({ t }, limit.warn)}</td>
                      <td>{limit === undefined ? t("protocol.measured") : <strong>{showSpanOf({ t }, limit.breach)}</strong>}</td>
                      <td className="what">{limit?.source !== undefined && cited(locale, limit.source)}</td>
                    </tr>
                  ));
                })}
              </tbody>
            </table>
          </div>
        </section>
      )}
      {(protocol.sources ?? []).length > 0 && (
        <section className="card" aria-label={t("protocol.sources")}>
          <h2>{t("protocol.sources")}</h2>
          <ul>
            {(protocol.sources ?? []).map((source) => (
              <li key={source}>{cited(locale, source)}</li>
            ))}
          </ul>
        </section>
      )}
      <p className="what">{t("protocols.version", { version: protocol.version })}</p>
    </>
  );
}
