import type { Channel, PagedOne, PagingTrouble, RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { showTime } from "../calendar";
import { isLay } from "../duties";
import { useTexts, type Texts } from "../language";
import { aboutRun } from "../runs/reading";
import { say } from "../runs/words";
import { useSession } from "../session";
import { FailureNotice } from "../states";
import { usePaging } from "./reading";
import "./paging.css";

/** How often what became of pages is asked again while some are on their way, in milliseconds. */
const OFTEN = 3_000;
const SELDOM = 20_000;

/** How many calls of a run stand open. */
const MOST_CALLS = 2;

const SIGNS: Readonly<Record<PagedOne["state"], string>> = { waiting: "…", retried: "↻", handed: "✓", "given-up": "✗", "no-way": "○" };

/** Whom a run has called, over which channels, and what became of each. */
export function Pages({ run }: { run: RunView }) {
  const { t } = useTexts();
  const paging = usePaging();
  const lay = isLay(useSession());
  const pages = useQuery({
    queryKey: [...aboutRun(run.id), "pages"],
    enabled: !lay,
    queryFn: ({ signal }) => paging.ofRun(run.id, signal),
    refetchInterval: ({ state }) => (run.end !== undefined ? false : state.data?.some(({ state: one }) => one === "waiting" || one === "retried") === true ? OFTEN : SELDOM),
  });
  if (pages.isError && pages.data === undefined) return <FailureNotice cause={pages.error} retry={() => void pages.refetch()} />;
  if (pages.data === undefined || pages.data.length === 0) return null;
  const calls = new Map<string, PagedOne[]>();
  for (const one of pages.data) {
    const name = `${one.told} ${one.what.zh ?? ""}`;
    calls.set(name, [...(calls.get(name) ?? []), one]);
  }
  // What was called last is what is asked about; what went out before stays to be read.
  const all = [...calls];
  const [latest, earlier] = [all.slice(0, MOST_CALLS), all.slice(MOST_CALLS)];
  return (
    <section className="card pages" aria-label={t("pages.title")}>
      <h2>{t("pages.title")}</h2>
      {pages.isError && <FailureNotice cause={pages.error} retry={() => void pages.refetch()} />}
      {latest.map(([name, all]) => (
        <Call key={name} all={all} />
      ))}
      {earlier.length > 0 && (
        <details>
          <summary>
            {t("pages.earlier", { count: earlier.length })}
            {earlier.some(([, all]) => all.some(({ state }) => state === "given-up")) && (
              <span className="page-way is-given-up">
                {" "}
                <span aria-hidden>✗ </span>
                {t("pages.state.given-up")}
              </span>
            )}
          </summary>
          {earlier.map(([name, all]) => (
            <Call key={name} all={all} />
          ))}
        </details>
      )}
    </section>
  );
}

/** One call: whom it went to, and what became of it over each channel. */
function Call({ all }: { all: readonly PagedOne[] }) {
  const { t, locale } = useTexts();
  const [first] = all;
  if (first === undefined) return null;
  const people = [...new Set(all.map(({ who }) => who))];
  return (
    <div className="pages-call">
      <h3>
        {say(locale, first.what)} <time className="what">{showTime(first.told)}</time>
      </h3>
      <ul>
        {people.map((who) => {
          const theirs = all.filter((one) => one.who === who);
          const [one] = theirs;
          if (one === undefined) return null;
          const isNobody = one.failure === "nobody-on-call";
          return (
            <li key={who} className={theirs.some(({ state }) => state === "handed" || state === "waiting") || isNobody ? "" : "is-unreached"}>
              <span>
                <strong>{isNobody ? say(locale, one.title) : one.name}</strong>
                {!isNobody && <span className="what"> {say(locale, one.title)}</span>}
              </span>
              <span className="pages-ways">{isNobody ? <span className="page-way is-no-way">{t("pages.nobody", { where: one.name })}</span> : theirs.map((page) => <Way key={page.id} page={page} />)}</span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Way({ page }: { page: PagedOne }) {
  const { t } = useTexts();
  const time = showTime(page.at);
  const text = page.state === "no-way" ? t("roster.noChannel") : t(`pages.state.${page.state}`);
  return (
    <span className={`page-way is-${page.state}`}>
      <span aria-hidden>{SIGNS[page.state]} </span>
      {page.state !== "no-way" && `${t(`paging.channel.${page.channel}`)} · `}
      {text}
      {time !== undefined && page.state !== "no-way" && ` ${time}`}
      {page.state === "retried" && ` (${page.attempts})`}
    </span>
  );
}

/** What is wrong with the pages of runs, in a few words for a row of a board. */
export function TroubleMarks({ troubles }: { troubles: readonly PagingTrouble[] }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const channels = [...new Set(troubles.flatMap(({ channels: all }) => all))];
  const unreached = [...new Set(troubles.flatMap((one) => one.unreached))];
  const nobody = [...new Set(troubles.flatMap((one) => one.nobody.map((title) => say(locale, title) ?? "")))];
  if (channels.length + unreached.length + nobody.length === 0) return null;
  return (
    <span className="paging-trouble">
      {channels.map((channel) => (
        <span key={channel} className="trouble is-grave">
          <span aria-hidden>⚠ </span>
          {t("trouble.channel", { channel: nameOf(texts, channel) })}
        </span>
      ))}
      {unreached.length > 0 && (
        <span className="trouble is-grave">
          <span aria-hidden>✗ </span>
          {t("trouble.unreached", { who: joined(texts, unreached) })}
        </span>
      )}
      {nobody.length > 0 && (
        <span className="trouble">
          <span aria-hidden>○ </span>
          {t("trouble.nobody", { who: joined(texts, nobody) })}
        </span>
      )}
    </span>
  );
}

const nameOf = ({ t }: Texts, channel: Channel) => t(`paging.channel.${channel}`);
const joined = ({ locale }: Texts, names: readonly string[]) => names.join(locale === "zh-CN" ? "、" : ", ");

/** How old what is known of pages may become before nobody relies on it, in milliseconds: it is asked for every five seconds. */
const UNHEARD = 20_000;

/**
 * Runs whose pages do not all go out, by id; asked again and again while a board is shown. Once nothing is heard any more it
 * is told since when: a board without a mark must not look as if everybody had been reached.
 */
export function useTroubles(now: number): { troubles: ReadonlyMap<string, PagingTrouble>; unheard: number | undefined } {
  const paging = usePaging();
  const lay = isLay(useSession());
  const found = useQuery({
    queryKey: ["paging", "trouble"],
    enabled: !lay,
    refetchInterval: 5_000,
    queryFn: ({ signal }) => paging.trouble(signal),
  });
  const troubles = useMemo(() => new Map((found.data?.runs ?? []).map((one) => [one.run, one])), [found.data]);
  const isUnheard = found.isError || (found.dataUpdatedAt > 0 && now - found.dataUpdatedAt > UNHEARD);
  return { troubles, unheard: isUnheard && !lay ? found.dataUpdatedAt : undefined };
}
