import { useQueryClient } from "@tanstack/react-query";
import { Input } from "antd";
import { useState } from "react";
import { showDate } from "../calendar";
import { useTexts } from "../language";
import { useLive, useNow } from "../live";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Editions } from "./Editions";
import { suspend, TAKINGS, tell, useRegistry, worth, type Registered, type Row, type Taking } from "./reading";
import { agoIn, nameIn, reasonIn, signs, termOf } from "./words";
import "./registry.css";

/** The mark of what a centre takes: its shape says it without its colour. */
const MARKS: Readonly<Record<Taking | "unknown", string>> = { open: "●", limited: "◐", diverted: "✕", unknown: "?" };

/** Who treats what, and what they take now. Those on duty say so with one press; who keeps the map suspends and publishes. */
export default function RegistryPage() {
  const texts = useTexts();
  const { t, locale, known } = texts;
  const cache = useQueryClient();
  const found = useRegistry();
  const now = useNow(15_000);
  const [pathway, setPathway] = useState<string>();
  useLive("HealthcareService", () => void cache.invalidateQueries({ queryKey: ["registry"] }));
  if (found.isPending) return <Loading rows={8} />;
  if (found.data === undefined) return <FailureNotice cause={found.error} retry={() => void found.refetch()} />;
  const { sites, stale, isEditor } = found.data;
  const pathways = [...new Set(sites.flatMap(({ rows }) => rows.map((row) => row.pathway)))];
  const shown = sites
    .map((site) => ({ ...site, rows: site.rows.filter((row) => pathway === undefined || row.pathway === pathway) }))
    .filter(({ rows }) => rows.length > 0)
    // One's own first: that is where something can be said.
    .sort((left, right) => Number(right.isOwn) - Number(left.isOwn));
  const unknown = sites.flatMap(({ rows }) => rows).filter((row) => worth(row.live, stale, now).taking === "unknown").length;
  return (
    <section className="registry">
      <header className="registry-head">
        <h1>{t("registry.title")}</h1>
        <a href="/map" target="_blank" rel="noreferrer">
          {t("registry.public")}
        </a>
      </header>
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      <p className="hint" role="status">
        {t("registry.hint", { count: stale })}
        {unknown > 0 && (
          <strong className="registry-unknown">
            {" "}
            <span aria-hidden>? </span>
            {t("registry.unknown", { count: unknown })}
          </strong>
        )}
      </p>
      {sites.length === 0 && <Nothing title={t("registry.none")} help={t("registry.none.help")} />}
      {pathways.length > 1 && (
        <div className="registry-filter" role="group" aria-label={t("registry.pathway")}>
          {[undefined, ...pathways].map((one) => (
            <button key={one ?? ""} type="button" className="registry-chip" aria-pressed={pathway === one} onClick={() => setPathway(one)}>
              {one === undefined ? t("registry.all") : (known("routing.pathway", one) ?? one)}
            </button>
          ))}
        </div>
      )}
      {shown.map((site) => (
        <section key={site.location} className="card registry-site" aria-label={nameIn(locale, site)}>
          <h2>
            {nameIn(locale, site)}
            {site.isOwn && <span className="registry-own">{t("registry.own")}</span>}
          </h2>
          <ul>
            {site.rows.map((row) => (
              <Centre key={`${row.service} ${row.pathway}`} site={site} row={row} stale={stale} now={now} isEditor={isEditor} />
            ))}
          </ul>
        </section>
      ))}
      <Editions isEditor={isEditor} />
    </section>
  );
}

function Centre({ site, row, stale, now, isEditor }: { site: Registered; row: Row; stale: number; now: number; isEditor: boolean }) {
  const texts = useTexts();
  const { t, locale, known } = texts;
  const { taking, minutes } = worth(row.live, stale, now);
  const last = row.live === undefined ? undefined : known("routing.taking", row.live.status);
  return (
    <li className={`registry-row is-${taking}`}>
      <div className="registry-status">
        <span className="registry-mark" aria-hidden>
          {MARKS[taking]}
        </span>
        <strong>{known("routing.taking", taking)}</strong>
        <span>{minutes === undefined ? t("registry.never") : agoIn(texts, minutes)}</span>
        {taking === "unknown" && last !== undefined && <span>{t("routing.last", { what: last })}</span>}
      </div>
      <div className="registry-what">
        <p>
          <strong>{known("routing.pathway", row.pathway) ?? row.pathway}</strong> {row.name}
          {row.level !== undefined && <span className="registry-level">{termOf(texts, row.level)}</span>}
        </p>
        {row.live?.reason !== undefined && taking !== "open" && <p className="registry-why">{row.live.reason}</p>}
        <p className="registry-facts hint">
          {row.capabilities.length > 0 && <span>{t("registry.always", { what: row.capabilities.map((one) => termOf(texts, one)).join(signs(locale).comma) })}</span>}
          {row.certified !== undefined && <span>{t("registry.certified", { date: showDate(row.certified, locale) })}</span>}
          {row.figures.map(({ code, value, from }) => (
            <span key={`${code} ${from}`}>{t("registry.figure", { what: known("routing.figure", code) ?? code, value: TIMES.has(code) ? t("length.minute", { count: value }) : value, ...quarterOf(from) })}</span>
          ))}
        </p>
        {row.hotline !== undefined && (
          <a className="registry-call" href={`tel:${row.hotline}`} aria-label={t("routing.call", { place: nameIn(locale, site), number: row.hotline })}>
            ☎ {row.hotline}
          </a>
        )}
        {row.suspended !== undefined && (
          <p className="registry-bad">
            <span aria-hidden>⛔ </span>
            {t("registry.suspended", { why: termOf(texts, row.suspended) })}
          </p>
        )}
        {row.findings.map((finding) => (
          <p key={finding.code} className="registry-finding">
            <span aria-hidden>⚠ </span>
            {reasonIn(texts, finding)}
          </p>
        ))}
      </div>
      {site.isOwn && <Say row={row} />}
      {isEditor && <Suspend row={row} />}
    </li>
  );
}

/** Figures that are minutes. */
const TIMES = new Set(["dnt", "dpt", "d2w"]);

/** The quarter a day begins. */
const quarterOf = (day: string) => ({ year: day.slice(0, 4), quarter: Math.floor((Number(day.slice(5, 7)) - 1) / 3) + 1 });

/** One press says that all come; what is not open asks why. */
function Say({ row }: { row: Row }) {
  const { t, known } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [asked, setAsked] = useState<Exclude<Taking, "open">>();
  const [why, setWhy] = useState("");
  const [isSending, setIsSending] = useState(false);
  const [cause, setCause] = useState<unknown>();
  const say = (taking: Taking) => {
    setIsSending(true);
    setCause(undefined);
    tell(service, row.service, taking, taking === "open" ? "" : why.trim())
      .then(() => {
        setAsked(undefined);
        setWhy("");
        return cache.invalidateQueries({ queryKey: ["registry"] });
      })
      .catch(setCause)
      .finally(() => setIsSending(false));
  };
  return (
    <div className="registry-say">
      <div role="group" aria-label={t("registry.say")}>
        {TAKINGS.map((taking) => (
          <button
            key={taking}
            type="button"
            className={`registry-press is-${taking}`}
            aria-pressed={asked === taking}
            disabled={isSending}
            onClick={() => (taking === "open" ? say("open") : setAsked(asked === taking ? undefined : taking))}
          >
            <span aria-hidden>{MARKS[taking]} </span>
            {known("routing.taking", taking)}
          </button>
        ))}
      </div>
      {asked !== undefined && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (why.trim() !== "") say(asked);
          }}
        >
          <div className="registry-reasons">
            {(["registry.reason.ct", "registry.reason.bed", "registry.reason.team", "registry.reason.lab", "registry.reason.surge"] as const).map((key) => (
              <button key={key} type="button" className="registry-chip" onClick={() => setWhy(t(key))}>
                {t(key)}
              </button>
            ))}
          </div>
          <label>
            {t("registry.reason")}
            <Input value={why} maxLength={200} onChange={(event) => setWhy(event.target.value)} autoFocus />
          </label>
          <button type="submit" className="registry-press" disabled={isSending || why.trim() === ""}>
            {t("registry.confirm", { what: known("routing.taking", asked) ?? asked })}
          </button>
        </form>
      )}
      {cause !== undefined && <FailureNotice cause={cause} unsaved={t("registry.unsaid")} />}
    </div>
  );
}

const SUSPENSIONS = ["missing-figures", "needles-late", "refused", "other"] as const;

/** Suspends a centre for one of the reasons there are, or lifts that. */
function Suspend({ row }: { row: Row }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const cache = useQueryClient();
  const [cause, setCause] = useState<unknown>();
  const act = (reason: string | undefined) => {
    setCause(undefined);
    suspend(service, row.service, reason)
      .then(() => cache.invalidateQueries({ queryKey: ["registry"] }))
      .catch(setCause);
  };
  return (
    <details className="registry-suspend">
      <summary>{t("registry.suspend")}</summary>
      {row.suspended !== undefined ? (
        <button type="button" className="registry-chip" onClick={() => act(undefined)}>
          {t("registry.lift")}
        </button>
      ) : (
        SUSPENSIONS.map((reason) => (
          <button key={reason} type="button" className="registry-chip" onClick={() => act(reason)}>
            {termOf(texts, reason)}
          </button>
        ))
      )}
      {cause !== undefined && <FailureNotice cause={cause} />}
    </details>
  );
}
