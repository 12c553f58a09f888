import type { Figure, Protocol, RunView } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Button } from "antd";
import { useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import { dayAt, minuteAt, showDate } from "../calendar";
import { cited } from "../citations";
import { pageStyle } from "../documents/sheet";
import { postOf } from "../duties";
import { useTexts, type Texts } from "../language";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { save } from "../save";
import { useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { Behind, useInstitutions } from "./Figures";
import { meets, showFigure } from "./figures";
import { casesOf, monthCsv, monthsLater, monthsUpTo, registryOf, wholeMonth } from "./month";
import "../documents/documents.css";

type Part = "runs" | "counted";

/** What a centre came to in one month, on paper: every indicator with what is counted, of how many, and the month before. */
export default function MonthReport({ protocol }: { protocol: Protocol }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const session = useSession();
  const [address, setAddress] = useSearchParams();
  const today = dayAt(Date.now()).slice(0, 7);
  const asked = address.get("month") ?? "";
  const month = /^\d{4}-(0[1-9]|1[0-2])$/.test(asked) ? asked : monthsLater(today, -1);
  const institution = address.get("institution") ?? postOf(session)?.organization ?? "";
  const institutions = useInstitutions();
  const centre = institutions.data?.find(({ id }) => id === institution)?.name ?? t("board.region");
  const [opened, setOpened] = useState<{ code: string; part: Part }>();
  const choose = (next: { month?: string; institution?: string }) => {
    setOpened(undefined);
    setAddress({ view: "month", month: next.month ?? month, institution: next.institution ?? institution }, { replace: true });
  };
  const of = (which: string) => ({ ...wholeMonth(which), ...(institution !== "" && { organization: institution }) });
  const counted = useQuery({
    queryKey: ["figures", protocol.code, "month", month, institution],
    queryFn: async ({ signal }) => {
      const [own, before] = await Promise.all([month, monthsLater(month, -1)].map((which) => runs.figures(protocol.code, of(which), signal)));
      return { own: own ?? [], before: new Map((before ?? []).map((one) => [one.code, one])) };
    },
    placeholderData: keepPreviousData,
  });
  const figures = counted.data?.own ?? [];
  const cases = casesOf(figures);
  const name = t("month.file", { what: say(locale, protocol.title), centre, month });
  const figure = figures.find(({ code }) => code === opened?.code);
  return (
    <section className="month-report" aria-label={t("protocols.view.month")}>
      <div className="work-tools document-tools">
        <div className="month-choice">
          <span className="what">{t("month.month")}</span>
          <span className="month-picker">
            <Button aria-label={t("month.before")} onClick={() => choose({ month: monthsLater(month, -1) })}>
              ‹
            </Button>
            <select aria-label={t("month.month")} value={month} onChange={(event) => choose({ month: event.target.value })}>
              {monthsUpTo(today, month).map((one) => (
                <option key={one} value={one}>
                  {showDate(one, locale)}
                </option>
              ))}
            </select>
            <Button aria-label={t("month.after")} disabled={month >= today} onClick={() => choose({ month: monthsLater(month, 1) })}>
              ›
            </Button>
          </span>
        </div>
        <label>
          <span className="what">{t("figures.institution")}</span>
          <select value={institution} onChange={(event) => choose({ institution: event.target.value })}>
            <option value="">{t("figures.institution.all")}</option>
            {(institutions.data ?? []).map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <span className="month-ways">
          <Button size="large" disabled={figures.length === 0} onClick={() => save(`${name}.csv`, monthCsv(texts, figures, month, centre))}>
            {t("figures.csv")}
          </Button>
          <Registry protocol={protocol} cases={cases} name={name} />
          <Button type="primary" size="large" disabled={counted.data === undefined || counted.isPlaceholderData} onClick={() => print()}>
            {t("documents.print")}
          </Button>
        </span>
      </div>
      {counted.isError && <FailureNotice cause={counted.error} retry={() => void counted.refetch()} />}
      {counted.isPending && <Loading rows={12} />}
      {counted.data !== undefined && figures.length === 0 && <Nothing title={t("figures.none")} />}
      {figures.length > 0 && (
        <Sheet key={locale} protocol={protocol} centre={centre} month={month} isGoingOn={month === today} figures={figures} before={counted.data?.before ?? new Map()} name={name}>
          {(figure) => <Counts figure={figure} opened={opened} onOpen={setOpened} />}
        </Sheet>
      )}
      {figure !== undefined && opened !== undefined && (
        <section className="card document-tools month-behind" aria-label={t("figures.behind")}>
          <h2>
            {say(locale, figure.title)} · {t(opened.part === "runs" ? "figures.denominator" : "figures.numerator", { count: figure[opened.part].length })}
          </h2>
          <Behind ids={figure[opened.part]} label={t("figures.behind")} />
        </section>
      )}
    </section>
  );
}

/** How many cases are read at once. */
const AT_ONCE = 4;

/** The cases behind the figures as a file for registries, read one by one as whoever asks may see them. */
function Registry({ protocol, cases, name }: { protocol: Protocol; cases: readonly string[]; name: string }) {
  const texts = useTexts();
  const { t } = texts;
  const runs = useRuns();
  const [read, setRead] = useState<number>();
  const [cause, setCause] = useState<unknown>();
  const take = async () => {
    setCause(undefined);
    setRead(0);
    try {
      const found: RunView[] = [];
      for (let from = 0; from < cases.length; from += AT_ONCE) {
        found.push(...(await Promise.all(cases.slice(from, from + AT_ONCE).map((id) => runs.run(id)))));
        setRead(found.length);
      }
      save(t("month.registry.file", { name }), registryOf(texts, protocol, found));
    } catch (why) {
      setCause(why);
    } finally {
      setRead(undefined);
    }
  };
  return (
    <>
      <Working busy={read === undefined ? undefined : t("month.registry.busy", { read, all: cases.length })} disabled={cases.length === 0} onClick={() => void take()}>
        {t("month.registry")}
      </Working>
      {cause !== undefined && <FailureNotice cause={cause} />}
    </>
  );
}

function Counts(props: { figure: Figure; opened: { code: string; part: Part } | undefined; onOpen(opened: { code: string; part: Part } | undefined): void }) {
  const { figure, opened, onOpen } = props;
  const { t, locale } = useTexts();
  const button = (part: Part, count: number) => {
    const isOpen = opened?.code === figure.code && opened.part === part;
    return (
      <button
        type="button"
        className="inline-button month-count"
        aria-expanded={isOpen}
        aria-label={`${say(locale, figure.title)} ${t(part === "runs" ? "figures.denominator" : "figures.numerator", { count })}`}
        disabled={figure[part].length === 0}
        onClick={() => onOpen(isOpen ? undefined : { code: figure.code, part })}
      >
        {count}
      </button>
    );
  };
  return (
    <>
      <td className="measure">{button("counted", figure.numerator ?? figure.counted.length)}</td>
      <td className="measure">{figure.kind === "count" ? "" : button("runs", figure.denominator)}</td>
    </>
  );
}

function Sheet(props: {
  protocol: Protocol;
  centre: string;
  month: string;
  isGoingOn: boolean;
  figures: readonly Figure[];
  before: ReadonlyMap<string, Figure>;
  name: string;
  children(figure: Figure): React.ReactNode;
}) {
  const { protocol, centre, month, isGoingOn, figures, before, name, children } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const source = new Map((protocol.indicator ?? []).map((one) => [one.code, one.source]));
  const [printed] = useState(() => minuteAt(Date.now()));
  const left = `${name}  ${t("documents.printed", { at: printed })}`;
  useEffect(() => {
    const style = new CSSStyleSheet();
    style.replaceSync(pageStyle("a4", { left, right: (page, pages) => t("documents.page", { page, pages }) }));
    document.adoptedStyleSheets.push(style);
    const title = document.title;
    // The name under which a browser saves the PDF.
    document.title = name;
    return () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== style);
      document.title = title;
    };
  }, [left, name, t]);
  const { from, to } = wholeMonth(month);
  return (
    <article className="sheet sheet-a4">
      <header className="sheet-head">
        <p className="sheet-issuer">{centre}</p>
        <h1>{t("month.title", { what: say(locale, protocol.title), month: showDate(month, locale) })}</h1>
        <p className="sheet-number">
          <span>
            {t("month.period", { from, to })} · {t("protocols.version", { version: protocol.version })}
          </span>
          {isGoingOn && <strong>{t("month.going")}</strong>}
        </p>
      </header>
      <section className="sheet-section">
        <table>
          <thead>
            <tr>
              {(["indicator", "numerator", "denominator", "own", "before", "goal", "verdict"] as const).map((one) => (
                <th key={one} scope="col">
                  {t(`month.column.${one}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {figures.map((figure) => (
              <tr key={figure.code}>
                <th scope="row" className="month-indicator">
                  <span>{say(locale, figure.title)}</span>
                  {source.get(figure.code) !== undefined && <span className="month-source">{cited(locale, source.get(figure.code) ?? "")}</span>}
                </th>
                {children(figure)}
                <td className="measure">
                  <strong>{showFigure(texts, figure, figure.value)}</strong>
                </td>
                <td className="measure">{showFigure(texts, figure, before.get(figure.code)?.value)}</td>
                <td className="measure">{figure.goal === undefined ? "" : goalOf(texts, figure)}</td>
                <td>{verdictOf(texts, figure)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <footer className="sheet-foot">
        <p className="sheet-note">
          {t("month.note")} <span className="month-screen">{t("month.note.screen")}</span>
        </p>
        <div className="sheet-signatures">
          {(["made", "checked"] as const).map((one) => (
            <p key={one}>
              <span>{t("documents.sign", { who: t(`month.sign.${one}`) })}</span>
              <span className="sheet-line" />
              <span className="sheet-date">{t("documents.date")}</span>
            </p>
          ))}
        </div>
      </footer>
    </article>
  );
}

function goalOf(texts: Texts, figure: Figure): string {
  return `${figure.less ? "≤" : "≥"} ${showFigure(texts, figure, figure.goal)}`;
}

/** In words, for printers know no colour. */
function verdictOf({ t }: Texts, figure: Figure): string {
  const isMet = meets(figure);
  return isMet === undefined ? "" : t(isMet ? "figures.met" : "figures.missed");
}
