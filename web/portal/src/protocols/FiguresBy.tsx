import type { FigureRow, Protocol } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { cited } from "../citations";
import { useTexts } from "../language";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { FailureNotice, Loading, Nothing } from "../states";
import { Behind } from "./Figures";
import { cellAt, csvOf, daysOf, showFigure, valuesNamed } from "./figures";

interface Opened {
  month: string | null;
  member: string | null;
}

/** One indicator by month and member, with the runs behind each number; all of them as a file. */
export function FiguresBy(props: { protocol: Protocol; period: { from: string; to: string }; organization: string | undefined }) {
  const { protocol, period, organization } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const roles = (protocol.role ?? []).filter(({ party }) => party === "institution");
  const traits = (protocol.trait ?? []).filter(({ list }) => list !== undefined);
  const [way, setWay] = useState(() => (roles[0] === undefined ? "organization" : `role:${roles[0].code}`));
  const [code, setCode] = useState<string>();
  const [opened, setOpened] = useState<Opened>();
  const asked = { ...period, ...(organization !== undefined && { organization }), by: `month,${way}` };
  const table = useQuery({
    queryKey: ["figures", protocol.code, asked],
    queryFn: ({ signal }) => runs.figuresBy(protocol.code, asked, signal),
    placeholderData: keepPreviousData,
  });
  const row = table.data?.indicators.find((one) => one.code === code) ?? table.data?.indicators[0];
  if (table.isError && table.data === undefined) return <FailureNotice cause={table.error} retry={() => void table.refetch()} />;
  if (table.data === undefined) return <Loading rows={8} />;
  if (row === undefined) return <Nothing title={t("figures.none")} />;
  const byTrait = traits.find(({ code }) => way === `trait:${code}`);
  const named = table.data.by[1] === way ? valuesNamed(protocol, byTrait?.list, table.data, locale) : table.data;
  const [months = [], members = []] = named.groups;
  const whole = cellAt(row, null, null);
  const save = () => {
    const file = URL.createObjectURL(new Blob([csvOf(texts, named)], { type: "text/csv;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = file;
    link.download = `${protocol.code}-${period.from}-${period.to}.csv`;
    link.click();
    URL.revokeObjectURL(file);
  };
  const isNothing = members.length === 0 && (whole === undefined || (whole.denominator === 0 && whole.numerator === 0));
  return (
    <>
      <div className="work-tools">
        <label>
          <span className="what">{t("figures.indicator")}</span>
          <select value={row.code} onChange={(event) => (setCode(event.target.value), setOpened(undefined))}>
            {table.data.indicators.map((one) => (
              <option key={one.code} value={one.code}>
                {say(locale, one.title)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="what">{t("figures.rows")}</span>
          <select value={way} onChange={(event) => (setWay(event.target.value), setOpened(undefined))}>
            {roles.map((role) => (
              <option key={role.code} value={`role:${role.code}`}>
                {t("figures.rows.role", { role: say(locale, role.title) })}
              </option>
            ))}
            <option value="organization">{t("figures.rows.any")}</option>
            {traits.map((one) => (
              <option key={one.code} value={`trait:${one.code}`}>
                {t("figures.rows.trait", { trait: say(locale, one.title) })}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button-link" onClick={save}>
          {t("figures.csv")}
        </button>
      </div>
      {row.source !== undefined && <p className="what">{t("figures.source", { source: cited(locale, row.source) })}</p>}
      {row.recorded && <p className="what">{t("figures.recorded")}</p>}
      {isNothing ? (
        <Nothing title={t("figures.nothing")} help={t("figures.nothing.help")} />
      ) : (
        <div className="figure-scroll" tabIndex={0} role="region" aria-label={say(locale, row.title)}>
          <table className="figure-table">
            <thead>
              <tr>
                <th scope="col">{byTrait === undefined ? t("figures.member") : say(locale, byTrait.title)}</th>
                {months.map(({ key }) => (
                  <th key={key} scope="col">
                    {key}
                  </th>
                ))}
                <th scope="col">{t("figures.all")}</th>
              </tr>
            </thead>
            <tbody>
              {members.map(({ key, title }) => (
                <Line key={key} row={row} title={title ?? key} member={key} months={months} opened={opened} onOpen={setOpened} />
              ))}
              <Line row={row} title={t("figures.all")} member={null} months={months} opened={opened} onOpen={setOpened} />
            </tbody>
          </table>
        </div>
      )}
      {opened !== undefined && (
        <BehindCell protocol={protocol.code} row={row} opened={opened} way={way} period={period} organization={organization} />
      )}
    </>
  );
}

function Line(props: {
  row: FigureRow;
  title: string;
  member: string | null;
  months: readonly { key: string }[];
  opened: Opened | undefined;
  onOpen(opened: Opened | undefined): void;
}) {
  const { row, title, member, months, opened, onOpen } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  return (
    <tr className={member === null ? "figure-all" : undefined}>
      <th scope="row">{title}</th>
      {[...months.map(({ key }) => key), null].map((month) => {
        const cell = cellAt(row, month, member);
        const isOpen = opened?.month === month && opened.member === member;
        const isEmpty = cell === undefined || (cell.numerator === 0 && cell.denominator === 0);
        const isTime = row.kind === "median" || row.kind === "p90";
        const behind = cell === undefined || row.kind === "count" ? undefined : isTime ? `${cell.numerator}` : `${cell.numerator}/${cell.denominator}`;
        return (
          <td key={month ?? ""} className={month === null ? "figure-all" : undefined}>
            <button
              type="button"
              className="figure-cell"
              aria-expanded={isOpen}
              aria-label={`${say(locale, row.title)} ${title} ${month ?? t("figures.all")} ${showFigure(texts, row, cell?.value)}`}
              disabled={isEmpty}
              onClick={() => onOpen(isOpen ? undefined : { month, member })}
            >
              {isEmpty ? "–" : showFigure(texts, row, cell.value)}
              {!isEmpty && behind !== undefined && <span className="what">{behind}</span>}
            </button>
          </td>
        );
      })}
    </tr>
  );
}

/** The runs behind one number. */
function BehindCell(props: {
  protocol: string;
  row: FigureRow;
  opened: Opened;
  way: string;
  period: { from: string; to: string };
  organization: string | undefined;
}) {
  const { protocol, row, opened, way, period, organization } = props;
  const { t, locale } = useTexts();
  const runs = useRuns();
  // Who takes part in any role and an institution that is asked for besides are two conditions on one run.
  const isTrait = way.startsWith("trait:");
  const place = (isTrait ? undefined : opened.member?.replace("Organization/", "")) ?? organization;
  const trait = isTrait && opened.member !== null ? `${way.slice("trait:".length)}:${opened.member}` : undefined;
  const role = way.startsWith("role:") && opened.member !== null ? way.slice("role:".length) : undefined;
  const asked = useMemo(
    () => ({ ...daysOf(opened.month, period), ...(place !== undefined && { organization: place }), ...(role !== undefined && { role }), ...(trait !== undefined && { trait }) }),
    [opened.month, period, place, role, trait],
  );
  const figures = useQuery({
    queryKey: ["figures", protocol, asked],
    queryFn: ({ signal }) => runs.figures(protocol, asked, signal),
  });
  if (figures.isError && figures.data === undefined) return <FailureNotice cause={figures.error} retry={() => void figures.refetch()} />;
  if (figures.data === undefined) return <Loading rows={3} />;
  const found = figures.data.find(({ code }) => code === row.code);
  const ids = found === undefined ? [] : row.kind === "count" || row.recorded || found.runs.length === 0 ? found.counted : found.runs;
  return (
    <section className="figure-behind-cell" aria-label={t("figures.behind")}>
      <h3>{[say(locale, row.title), opened.month ?? t("figures.all")].join(" · ")}</h3>
      {ids.length === 0 ? <p className="what">{t("figures.behind.recorded")}</p> : <Behind ids={ids} label={t("figures.behind")} />}
    </section>
  );
}
