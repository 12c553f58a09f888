import type { LiveState, Organization, Protocol } from "@qingshan/client";
import { useEffect, useMemo, useRef, useState, type CSSProperties, type ReactNode, type RefObject } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { timeAt } from "../calendar";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { LiveMark, useNow } from "../live";
import { useTroubles } from "../paging/Pages";
import { Tone } from "../paging/Tone";
import { showAgo } from "../patients/show";
import { useInstitutions } from "../protocols/Figures";
import { LevelSign } from "../runs/ClockMark";
import { say } from "../runs/words";
import { useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { calledIn, count, heldStill, pageOf, partiesOf, sorted, worstOf, type Case, type Count } from "./board";
import { BoardRow } from "./BoardRow";
import { useCrewed } from "../runs/crew";
import { useBoardProtocols, useCases, useRoads } from "./reading";
import "../runs/runs.css";
import "./board.css";

/** How long a page stands on a wall, in milliseconds. */
const TURN = 12_000;

/** Silence after which what is shown is not relied on, in milliseconds: the server is heard every 15 seconds. */
const SILENT = 25_000;

/** How long what is known to have changed may take to be read before the row says so, in milliseconds. */
const BEHIND = 3_000;

/** The least height of a row on a wall, in pixels, and of one across whose foot stands what is broken. */
const ROW = 140;
const ROW_WITH_TROUBLE = 200;

/** Everybody for whom the clock is running, what breaks first on top. */
export default function BoardPage() {
  const { t } = useTexts();
  const protocols = useBoardProtocols();
  if (protocols.data === undefined) {
    return protocols.isError ? <FailureNotice cause={protocols.error} retry={() => void protocols.refetch()} /> : <Loading rows={8} />;
  }
  if (protocols.data.length === 0) return <Nothing title={t("board.none")} help={t("board.none.help")} />;
  return <Board protocols={protocols.data} />;
}

/** What a board is narrowed to and how it is shown; all of it stands in the address, so that a wall comes up as it was. */
function useAsked() {
  const [place, go] = useLocation();
  const params = new URLSearchParams(useSearch());
  const ask = (name: string, value: string | undefined) => {
    const next = new URLSearchParams(params);
    if (value === undefined || value === "") next.delete(name);
    else next.set(name, value);
    const query = next.toString();
    go(query === "" ? place : `${place}?${query}`, { replace: true });
  };
  return {
    institution: params.get("institution") ?? "",
    protocol: params.get("protocol") ?? "",
    isWall: params.has("wall"),
    ask,
  };
}

function Board({ protocols }: { protocols: readonly Protocol[] }) {
  const { t, locale } = useTexts();
  const asked = useAsked();
  const { cases, isWhole, cause, behind, live } = useCases(protocols);
  const device = useNow(1_000);
  const now = device + behind;
  const institutions = useInstitutions();
  const { troubles, unheard } = useTroubles(device);
  const roads = useRoads(cases);
  const isCrewed = useCrewed(useMemo(() => cases.flatMap(({ runs }) => runs), [cases]));
  const known = useMemo(() => new Map(protocols.map((one) => [one.code, one])), [protocols]);
  const rows = useMemo(() => {
    const isMine = (one: Case) =>
      (asked.protocol === "" || one.runs.some(({ protocol }) => protocol.code === asked.protocol)) &&
      (asked.institution === "" || partiesOf(one).has(`Organization/${asked.institution}`));
    return sorted(cases.filter(isMine));
  }, [cases, asked.protocol, asked.institution]);
  const called = useMemo(() => calledIn(rows), [rows]);
  const heard = "heard" in live.state ? live.state.heard : undefined;
  const isLost = live.state.kind !== "live" || device - live.state.heard > SILENT;
  const row = (one: Case) => (
    <BoardRow
      key={one.chain}
      one={one}
      protocols={known}
      road={one.runs.map(({ patient }) => roads?.get(patient?.reference ?? "")).find((road) => road !== undefined)}
      isCrewed={roads !== undefined && one.runs.some(isCrewed)}
      troubles={one.runs.flatMap(({ id }) => troubles.get(id) ?? [])}
      now={now}
      isWall={asked.isWall}
      isStale={isLost || (one.oldSince !== undefined && device - one.oldSince > BEHIND)}
      asOf={one.oldSince === undefined ? Math.max(one.readAt, heard ?? 0) : one.readAt}
    />
  );
  const isTroubled = isLost || rows.some(({ runs }) => runs.some(({ id }) => troubles.has(id)));
  const scope = institutions.data?.find(({ id }) => id === asked.institution)?.name ?? t("board.region");
  return (
    <section className={`board${asked.isWall ? " is-wall" : ""}${isLost ? " is-lost" : ""}${isWhole ? "" : " is-partial"}${isTroubled ? " is-troubled" : ""}`} aria-label={t("board.title")}>
      <Head
        counted={isWhole ? count(rows, now) : undefined}
        scope={scope}
        live={live.state}
        isLost={isLost}
        retry={live.retry}
        device={device}
        isWall={asked.isWall}
        onWall={(isWall) => asked.ask("wall", isWall ? "1" : undefined)}
        called={called}
        isWhole={isWhole}
        unheard={isLost ? undefined : unheard}
      />
      {!asked.isWall && (
        <div className="board-narrow">
          <InstitutionChoice institutions={institutions.data ?? []} value={asked.institution} onChange={(id) => asked.ask("institution", id)} />
          <label>
            {t("board.protocol")}
            <select className="select" value={asked.protocol} onChange={(event) => asked.ask("protocol", event.target.value)}>
              <option value="">{t("board.protocol.all")}</option>
              {protocols.map((one) => (
                <option key={one.code} value={one.code}>
                  {say(locale, one.title)}
                </option>
              ))}
            </select>
          </label>
          <Link className="button-link" href="/roster">
            {t("roster.title")}
          </Link>
        </div>
      )}
      {cause !== undefined && !isWhole && <FailureNotice cause={cause} />}
      {!isWhole && cases.length === 0 && cause === undefined && <Loading rows={8} />}
      {isWhole && rows.length === 0 && <Nothing title={t(isLost ? "board.empty.lost" : "board.empty")} help={t(isLost ? "offline.none" : "board.empty.help")} />}
      {rows.length > 0 && (asked.isWall ? <Pages rows={rows} row={row} now={now} least={isTroubled ? ROW_WITH_TROUBLE : ROW} /> : <Rows rows={rows} row={row} />)}
    </section>
  );
}

/** What stands over a board: how many, how grave, and how old what is shown is. */
function Head(props: {
  /** Nothing before everybody was read: a number that is too small calms where it must not. */
  counted: Count | undefined;
  scope: string;
  live: LiveState;
  isLost: boolean;
  retry(): void;
  device: number;
  isWall: boolean;
  onWall(isWall: boolean): void;
  called: readonly string[];
  isWhole: boolean;
  /** Since when nothing is known of whom pages reached, in milliseconds since 1970; 0 when nothing ever was. */
  unheard: number | undefined;
}) {
  const { counted, scope, live, isLost, retry, device, isWall, onWall, called, isWhole, unheard } = props;
  const texts = useTexts();
  const { t } = texts;
  return (
    <header className="board-head">
      <div className="board-name">
        <h1>{t("board.title")}</h1>
        <span className="board-scope">{scope}</span>
      </div>
      <p className="board-count">
        {counted === undefined ? (
          <span>{t("state.loading")}</span>
        ) : (
          <>
            <strong>{t("board.count", { count: counted.all })}</strong>
            <span className={`clock clock-breach${counted.breach === 0 ? " is-zero" : ""}`}>
              <LevelSign level="breach" />
              {t("board.count.breach", { count: counted.breach })}
            </span>
            <span className={`clock clock-warn${counted.warn === 0 ? " is-zero" : ""}`}>
              <LevelSign level="warn" />
              {t("board.count.warn", { count: counted.warn })}
            </span>
            {counted.drills > 0 && <span className="board-drill">{t("board.count.drill", { count: counted.drills })}</span>}
          </>
        )}
      </p>
      <div className="board-end">
        {unheard !== undefined && (
          <span className="board-unheard" role="status">
            <span aria-hidden>⚠ </span>
            {unheard === 0 ? t("trouble.unheard") : t("trouble.unheard.since", { ago: showAgo(texts, unheard, device) })}
          </span>
        )}
        <Tone called={called} isWhole={isWhole} />
        <Age live={live} isLost={isLost} retry={retry} device={device} />
        {isWall ? (
          <button type="button" className="board-leave" aria-label={t("board.wall.leave")} onClick={() => onWall(false)}>
            ✕
          </button>
        ) : (
          <button type="button" className="button-link" onClick={() => onWall(true)}>
            {t("board.wall")}
          </button>
        )}
      </div>
    </header>
  );
}

/** How old what is shown is: always there, and unmistakable once the line is gone. */
function Age({ live, isLost, retry, device }: { live: LiveState; isLost: boolean; retry(): void; device: number }) {
  const texts = useTexts();
  const { t } = texts;
  const heard = "heard" in live ? live.heard : undefined;
  return (
    <div className="board-age">
      <time className="board-clock">{timeAt(device)}</time>
      {live.kind === "live" && !isLost ? (
        <span className="board-fresh">
          <LiveMark state={live} /> {t("board.age", { ago: showAgo(texts, live.heard, device) })}
        </span>
      ) : (
        <span className="board-lost" role="alert">
          {heard === undefined ? t(`live.${live.kind}`) : t("board.age.lost", { time: timeAt(heard) })}
          {heard !== undefined && <span aria-hidden> · {showAgo(texts, heard, device)}</span>}
          {live.kind !== "refused" && (
            <button type="button" onClick={retry}>
              {t("offline.retry")}
            </button>
          )}
        </span>
      )}
    </div>
  );
}

function InstitutionChoice(props: { institutions: readonly Organization[]; value: string; onChange(id: string): void }) {
  const { institutions, value, onChange } = props;
  const { t } = useTexts();
  const own = postOf(useSession());
  const others = institutions.filter(({ id }) => id !== own?.organization);
  return (
    <label>
      {t("board.institution")}
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{t("board.region")}</option>
        {own !== undefined && <option value={own.organization}>{own.organizationName}</option>}
        {others.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Rows on a desk or a phone, which stay where they are while somebody points at them. */
function Rows({ rows, row }: { rows: readonly Case[]; row(one: Case): ReactNode }) {
  const { t } = useTexts();
  const [held, setHeld] = useState<string[]>();
  const shown = held === undefined ? rows : heldStill(held, rows);
  return (
    <>
      <p className="board-held" role="status">
        {held !== undefined && t("board.held")}
      </p>
      <ol className="board-rows" onPointerEnter={() => setHeld(rows.map(({ chain }) => chain))} onPointerLeave={() => setHeld(undefined)}>
        {shown.map((one) =>
          "gone" in one ? (
            <li key={one.gone} className="board-row is-gone">
              {t("board.gone")}
            </li>
          ) : (
            row(one)
          ),
        )}
      </ol>
    </>
  );
}

/** Rows on a wall: as many as fit, page after page by itself, and how many there are always in sight. */
function Pages({ rows, row, now, least }: { rows: readonly Case[]; row(one: Case): ReactNode; now: number; least: number }) {
  const { t } = useTexts();
  const list = useRef<HTMLDivElement>(null);
  const { fit, height } = useFit(list, least);
  const [page, setPage] = useState(0);
  const { shown, page: current, pages } = pageOf(rows, fit, page);
  useEffect(() => {
    if (pages < 2) return;
    const timer = setTimeout(() => setPage((old) => old + 1), TURN);
    return () => clearTimeout(timer);
  }, [page, pages]);
  useEffect(() => {
    const turn = (event: KeyboardEvent) => {
      const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
      if (step !== undefined) setPage((old) => old + step);
    };
    addEventListener("keydown", turn);
    return () => removeEventListener("keydown", turn);
  }, []);
  const from = current * fit;
  const beyond = rows.filter((one, place) => (place < from || place >= from + fit) && worstOf(one.runs, now) === "breach").length;
  return (
    <>
      <div className="board-pages" ref={list} style={{ "--row": `${height}px` } as CSSProperties}>
        <ol className="board-rows">{shown.map(row)}</ol>
      </div>
      <footer className="board-foot">
        <strong>{t("board.page", { page: current + 1, pages })}</strong>
        <span>{t("board.page.rows", { from: from + 1, to: from + shown.length, count: rows.length })}</span>
        {beyond > 0 && (
          <span className="clock clock-breach">
            <LevelSign level="breach" />
            {t("board.page.beyond", { count: beyond })}
          </span>
        )}
        {pages > 1 && (
          <span className="board-turn">
            <button type="button" aria-label={t("board.page.before")} onClick={() => setPage(page - 1)}>
              ‹
            </button>
            <button type="button" aria-label={t("board.page.next")} onClick={() => setPage(page + 1)}>
              ›
            </button>
          </span>
        )}
      </footer>
    </>
  );
}

/** How many rows of a wall fit below one another, and how high each is then. */
function useFit(list: RefObject<HTMLDivElement | null>, least: number): { fit: number; height: number } {
  const [room, setRoom] = useState(ROW);
  useEffect(() => {
    const box = list.current;
    if (box === null) return;
    const measure = () => setRoom(box.clientHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    measure();
    return () => observer.disconnect();
  }, [list]);
  const fit = Math.max(1, Math.floor(room / least));
  return { fit, height: Math.floor(room / fit) };
}
