import type { Change, Organization, Reference, Resource, Task } from "@qingshan/client";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { LiveMark, StaleBanner, useLive } from "../live";
import { usePlaceNames } from "../patients/reading";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { ClockMark } from "../runs/ClockMark";
import { levelAt } from "../runs/clock";
import { useTick } from "../runs/tick";
import { conceptIn } from "../runs/words";
import { hatOf, useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { namesOf } from "./actors";
import { useOptional } from "./optional";
import {
  criteria,
  next,
  own,
  ownersOf,
  patched,
  priorities,
  PROTOCOL,
  scopes,
  search,
  withRuns,
  type Narrowing,
  type Row,
  type Scope,
  type Shown,
} from "./worklist";
import "../runs/runs.css";
import "./worklist.css";

const PAGE = "50";
/** How long changes are gathered before what changed is read, in milliseconds; the first is read at once. */
const GATHER = 300;

interface Part {
  rows: Row[];
  next?: string;
}

/** What is to be done: by me, by my team, by my institution. */
export default function WorkPage() {
  const { t } = useTexts();
  const [address, setAddress] = useSearchParams();
  const scope = scopes.find((one) => one === address.get("of")) ?? "institution";
  const protocol = address.get("protocol") ?? undefined;
  const priority = priorities.find((one) => one === address.get("class"));
  const narrowing: Narrowing = { ...(protocol && { protocol }), ...(priority && { priority }) };
  const isAll = address.has("all");
  const owners = useOwners(scope);
  const session = useSession();
  const places = useNamed(scope === "institution" ? (owners.data?.owners ?? []) : []);
  // Where one works does not change by the hour: it is remembered on this device, for the post that chose it.
  const kept = `qingshan.work.at.${hatOf(session)}`;
  const at = places.find(({ value }) => value === (address.get("at") ?? localStorage.getItem(kept)))?.value;
  const choose = (part: Record<string, string | undefined>) => {
    if ("at" in part) {
      if (part["at"]) localStorage.setItem(kept, part["at"]);
      else localStorage.removeItem(kept);
    }
    setAddress(
      (old) => {
        const params = new URLSearchParams(old);
        for (const [name, value] of Object.entries(part)) value ? params.set(name, value) : params.delete(name);
        return params;
      },
      { replace: true },
    );
  };
  const duties = scope === "institution" && !isAll ? postOf(session)?.duties : undefined;
  const isNobody = owners.data?.owners.length === 0;
  return (
    <section className="work">
      <div className="work-head">
        <h1>{t("work.title")}</h1>
        <div className="filters" role="group" aria-label={t("work.of")}>
          {scopes.map((one) => (
            <button key={one} type="button" className="filter" aria-pressed={one === scope} onClick={() => choose({ of: one })}>
              {t(`work.of.${one}`)}
            </button>
          ))}
        </div>
      </div>
      {owners.isPending && <Loading rows={8} />}
      {owners.isError && <FailureNotice cause={owners.error} retry={() => void owners.refetch()} />}
      {isNobody && <Nothing title={t(`work.nobody.${scope}`)} help={t("work.nobody.help")} />}
      {owners.data !== undefined && !isNobody && (
        <List
          key={`${scope} ${at ?? ""}`}
          scope={scope}
          owners={at === undefined ? owners.data.owners : [at]}
          around={owners.data.around}
          duties={duties}
          narrowing={narrowing}
          isAll={isAll}
          places={places}
          at={at}
          choose={choose}
        />
      )}
    </section>
  );
}

/** Those whose work a scope means, as references, and those among whose work I may have taken something on. */
function useOwners(scope: Scope) {
  const service = useService();
  const session = useSession();
  const post = postOf(session);
  const holders = ownersOf("mine", { ...session, post }, { teams: [], departments: [] });
  return useQuery({
    queryKey: ["work", "owners", hatOf(session), scope],
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const none: Resource[] = [];
      const ids = (found: Resource[]) => found.map((one) => one.id).filter((id) => id !== undefined);
      const teams =
        scope === "team" && holders.length > 0
          ? await service.all<Resource>("CareTeam", { participant: holders.join(","), _elements: "id" }, signal)
          : none;
      const departments =
        scope !== "team" && post !== undefined
          ? await service.all<Organization>("Organization", { partof: `Organization/${post.organization}`, _elements: "id" }, signal)
          : none;
      const known = { teams: ids(teams), departments: ids(departments) };
      const around = scope === "mine" ? ownersOf("institution", { ...session, post }, known) : [];
      return { owners: ownersOf(scope, { ...session, post }, known), around };
    },
  });
}

/** The own institution and its departments by name, where there are several. */
function useNamed(owners: readonly string[]): { value: string; label: string }[] {
  const named = usePlaceNames(useService(), owners.length > 1 ? owners.map((reference) => ({ reference })) : []);
  const found = owners.map((reference) => ({ value: reference, label: named({ reference }) ?? "" })).filter(({ label }) => label !== "");
  const [home, ...departments] = found;
  return home === undefined || departments.length === 0 ? [] : [home, ...departments.sort((left, right) => left.label.localeCompare(right.label, "zh-CN"))];
}

function List(props: {
  scope: Scope;
  owners: readonly string[];
  around: readonly string[];
  duties: readonly string[] | undefined;
  narrowing: Narrowing;
  isAll: boolean;
  /** Where one may be looked at alone, and which of them is. */
  places: readonly { value: string; label: string }[];
  at: string | undefined;
  choose(part: Record<string, string | undefined>): void;
}) {
  const { scope, owners, around, duties, narrowing, isAll, places, at, choose } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const cache = useQueryClient();
  const asked = search(owners, duties, narrowing).toString();
  const key = useMemo(() => ["work", "list", asked], [asked]);
  // What I took stays assigned to my institution; it is mine all the same.
  const taken = search(around, undefined, narrowing);
  taken.set("status", "in-progress");
  const also = around.length === 0 ? undefined : taken.toString();
  const read = useCallback(
    async (address: string, beside: string | undefined, signal: AbortSignal): Promise<Part> => {
      const [page, other] = await Promise.all([
        service.page<Task>(address, signal),
        beside === undefined ? undefined : service.page<Task>(beside, signal),
      ]);
      const rows = await withRuns(service, [...page.found, ...(other?.found ?? [])], signal);
      const shown = beside === undefined ? rows : own(rows, owners);
      return { rows: shown, ...(page.next !== undefined && { next: page.next }) };
    },
    [service, owners],
  );
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) =>
      pageParam === undefined
        ? read(`/fhir/Task?${asked}&_count=${PAGE}`, also && `/fhir/Task?${also}&_count=200`, signal)
        : read(pageParam, undefined, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next,
  });
  const readAnew = useCallback(
    async (ids: readonly string[]) => {
      const only = `_id=${ids.join(",")}&_count=200`;
      const { rows } = await read(`/fhir/Task?${asked}&${only}`, also && `/fhir/Task?${also}&${only}`, AbortSignal.timeout(30_000));
      cache.setQueryData<InfiniteData<Part>>(key, (old) => old && { ...old, pages: patched(old.pages, new Set(ids), rows) });
    },
    [read, cache, key, asked, also],
  );
  const gather = useGather(readAnew, () => void list.refetch());
  const topic = `Task?${new URLSearchParams(criteria([...owners, ...around], duties)).toString()}`;
  const live = useLive(topic, (change: Change | undefined) => gather(change?.id));

  const rows = useMemo(() => {
    const all = (list.data?.pages ?? []).flatMap((part) => part.rows);
    return [...new Map(all.map((row) => [row.task.id, row])).values()];
  }, [list.data]);
  const { shown, hold, show } = useCalm(rows, asked);
  const now = useTick(shown.rows.map((row) => row.clock)) + service.behind;
  const nameOfActor = useActors(shown.rows);
  const isOptional = useOptional(shown.rows);
  const home = postOf(useSession())?.organization;
  /** The department it waits at, where that is not simply one's own institution. */
  const placeOf = ({ task: { owner } }: Row) =>
    owner?.reference?.startsWith("Organization/") && owner.reference !== `Organization/${home}` ? nameOfActor(owner) : undefined;
  useKeys();

  const protocols = useProtocols(rows);
  const over = shown.rows.filter((row) => levelAt(row.clock, now) === "breach").length;
  const isNarrowed = narrowing.protocol !== undefined || narrowing.priority !== undefined || at !== undefined;
  return (
    <>
      <StaleBanner state={live.state} retry={live.retry} />
      <div className="work-tools">
        <label>
          <span className="what">{t("work.protocol")}</span>
          <select value={narrowing.protocol ?? ""} onChange={(event) => choose({ protocol: event.target.value })}>
            <option value="">{t("work.protocol.all")}</option>
            {protocols.map(([code, title]) => (
              <option key={code} value={code}>
                {title(locale) ?? code}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="what">{t("work.class")}</span>
          <select value={narrowing.priority ?? ""} onChange={(event) => choose({ class: event.target.value })}>
            <option value="">{t("work.class.all")}</option>
            {priorities.map((one) => (
              <option key={one} value={one}>
                {t(`priority.${one}`)}
              </option>
            ))}
          </select>
        </label>
        {places.length > 0 && (
          <label>
            <span className="what">{t("work.at")}</span>
            <select value={at ?? ""} onChange={(event) => choose({ at: event.target.value })}>
              <option value="">{t("work.at.all")}</option>
              {places.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        )}
        {scope === "institution" && (
          <label className="work-all">
            <input type="checkbox" checked={isAll} onChange={() => choose({ all: isAll ? undefined : "1" })} />
            {t("work.all")}
          </label>
        )}
        <span className="work-end">
          <span className="work-keys what">{t("work.keys")}</span>
          <LiveMark state={live.state} />
        </span>
      </div>
      {list.isPending && <Loading rows={8} />}
      {list.isError && <FailureNotice cause={list.error} retry={() => void list.refetch()} />}
      {list.isSuccess && shown.rows.length === 0 && (
        <Nothing title={t(isNarrowed ? "work.empty.narrow" : `work.empty.${scope}`)} help={t(live.state.kind === "lost" ? "offline.none" : "work.empty.help")}>
          {isNarrowed && (
            <button type="button" className="button-link" onClick={() => choose({ protocol: undefined, class: undefined, at: undefined })}>
              {t("work.widen")}
            </button>
          )}
        </Nothing>
      )}
      {shown.rows.length > 0 && (
        <p className="count" role="status">
          {t(list.hasNextPage ? "work.countMore" : "work.count", { count: shown.rows.length - shown.gone.size })}
          {over > 0 && <strong className="caution">{t("work.over", { count: over })}</strong>}
        </p>
      )}
      {shown.waiting > 0 && (
        <button type="button" className="work-new" onClick={show}>
          <span role="status">{t("work.new", { count: shown.waiting })}</span>
        </button>
      )}
      <ul className="work-list" aria-label={t("work.title")} {...hold}>
        {shown.rows.map((row) => (
          <Line
            key={row.task.id}
            row={row}
            now={now}
            isGone={shown.gone.has(row.task.id ?? "")}
            from={nameOfActor(row.root?.requester) ?? ""}
            taker={row.taker && (nameOfActor({ reference: row.taker }) ?? "")}
            place={placeOf(row)}
            isOptional={isOptional(row)}
          />
        ))}
      </ul>
      {list.hasNextPage && (
        <Working block busy={list.isFetchingNextPage ? t("state.loading") : undefined} onClick={() => void list.fetchNextPage()}>
          {t("work.more")}
        </Working>
      )}
    </>
  );
}

const Line = memo(function Line(props: {
  row: Row;
  now: number;
  isGone: boolean;
  from: string;
  taker: string | undefined;
  place: string | undefined;
  isOptional: boolean;
}) {
  const { row, now, isGone, from, taker, place, isOptional } = props;
  const { task, patient, root, clock } = row;
  const { t, locale } = useTexts();
  const name = (patient && nameOf(patient)) ?? task.for?.display ?? t("patient.nameless");
  const priority = priorities.find((one) => one === task.priority);
  const title = conceptIn(locale, root?.code);
  return (
    <li className={isGone ? "work-row is-gone" : "work-row"}>
      <Link href={`/tasks/${encodeURIComponent(task.id ?? "")}`} className="work-link">
        <span className="work-clock">
          {isGone ? (
            <span className="clock clock-met">{t("work.gone")}</span>
          ) : clock.breach === undefined ? (
            <span className="clock clock-none">{t("clock.none")}</span>
          ) : (
            <ClockMark clock={clock} now={now} />
          )}
        </span>
        <span className="work-who">
          <strong>{name}</strong>
          {patient !== undefined && <SexAndAge patient={patient} />}
        </span>
        <span className="work-what">
          <strong>
            {conceptIn(locale, task.code) ?? t("work.untitled")}
            {isOptional && <span className="tag">{t("task.optional")}</span>}
          </strong>
          <span className="work-of">
            {title}
            {priority !== undefined && priority !== "routine" && (
              <span className={priority === "urgent" ? "tag tag-care" : "tag tag-grave"}>{t(`priority.${priority}`)}</span>
            )}
          </span>
        </span>
        <span className="work-from">
          {from !== "" && (
            <>
              <span className="what">{t("work.from")}</span> {from}
            </>
          )}
        </span>
        <span className="work-taker">
          {place !== undefined && <span className="work-place">{place}</span>}
          {taker !== undefined ? (
            <>
              <span aria-hidden>◐ </span>
              {taker === "" ? t("step.state.taken") : t("work.taken", { who: taker })}
            </>
          ) : (
            <span className="what">{t("work.free")}</span>
          )}
        </span>
      </Link>
    </li>
  );
});

function SexAndAge({ patient }: { patient: NonNullable<Row["patient"]> }) {
  const { sexAndAge } = useShown(patient);
  return <span>{sexAndAge}</span>;
}

/** What those are called who asked for something or took it. */
function useActors(rows: readonly Row[]) {
  const service = useService();
  const actors = rows.flatMap(({ task, root, taker }) => [task.owner, root?.requester, taker === undefined ? undefined : { reference: taker }]);
  const known = actors.filter((one): one is Reference => one?.reference !== undefined);
  const place = usePlaceNames(service, known.filter((one) => one.reference?.startsWith("Organization/")));
  const people = known.filter((one) => one.display === undefined && !one.reference?.startsWith("Organization/"));
  const ids = [...new Set(people.map((one) => one.reference ?? ""))].sort();
  const names = useQuery({
    queryKey: ["work", "names", ...ids],
    enabled: ids.length > 0,
    staleTime: 600_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => namesOf(service, people, signal),
  });
  return (one: Reference | undefined) => one?.display ?? names.data?.get(one?.reference ?? "") ?? place(one);
}

/** The protocols that the rows are of, and those that were seen before, so that a narrowed list can be widened again. */
function useProtocols(rows: readonly Row[]) {
  const seen = useRef(new Map<string, (locale: "zh-CN" | "en") => string | undefined>());
  for (const { root } of rows) {
    const code = root?.code?.coding?.find((coding) => coding.system === PROTOCOL)?.code;
    if (code !== undefined && !seen.current.has(code)) seen.current.set(code, (locale) => conceptIn(locale, root?.code));
  }
  return [...seen.current].sort(([left], [right]) => (left < right ? -1 : 1));
}

/** Reads what changed: the first change at once, what follows shortly after it together. */
function useGather(read: (ids: readonly string[]) => Promise<void>, readAll: () => void) {
  const told = useRef({ read, readAll });
  told.current = { read, readAll };
  const waiting = useRef<Set<string>>(undefined);
  return useCallback((id: string | undefined) => {
    if (id === undefined) return told.current.readAll();
    if (waiting.current !== undefined) return void waiting.current.add(id);
    waiting.current = new Set();
    const go = (ids: readonly string[]) => {
      // What could not be read is no reason to stay blind: everything is asked for again.
      if (ids.length > 0) told.current.read(ids).catch(() => told.current.readAll());
    };
    go([id]);
    setTimeout(() => {
      const ids = [...(waiting.current ?? [])];
      waiting.current = undefined;
      if (ids.length > 100) told.current.readAll();
      else go(ids);
    }, GATHER);
  }, []);
}

/** Keeps a list still while somebody points at it, moves through it by keyboard, or has scrolled into it by finger. */
function useCalm(rows: readonly Row[], asked: string) {
  const [isHeld, setIsHeld] = useState(false);
  const [shown, setShown] = useState<Shown>({ rows: [], gone: new Set(), waiting: 0 });
  const before = useRef(asked);
  useEffect(() => {
    const isSame = before.current === asked;
    before.current = asked;
    const isTouch = matchMedia("(pointer: coarse)").matches;
    setShown((old) => next(old, rows, isSame && (isHeld || (isTouch && scrollY > 0))));
  }, [rows, isHeld, asked]);
  const hold = {
    onPointerEnter: () => setIsHeld(true),
    onPointerLeave: () => setIsHeld(false),
    onFocus: () => setIsHeld(true),
    onBlur: (event: { relatedTarget: EventTarget | null; currentTarget: Element }) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setIsHeld(false);
    },
  };
  const show = () => setShown((old) => next(old, rows, false));
  return { shown, hold, show };
}

/** Moves through the rows by j and k, and from a row by the arrows too. */
function useKeys() {
  useEffect(() => {
    const walk = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key] ?? 0;
      if (step === 0 || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      const links = [...document.querySelectorAll<HTMLAnchorElement>(".work-list a")];
      const at = links.indexOf(document.activeElement as HTMLAnchorElement);
      // Outside the list the arrows scroll the page, as everywhere.
      if (at === -1 && event.key.startsWith("Arrow")) return;
      const link = links[at === -1 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))];
      if (link === undefined) return;
      event.preventDefault();
      link.focus();
    };
    addEventListener("keydown", walk);
    return () => removeEventListener("keydown", walk);
  }, []);
}
