import type { Figure, FigureKind, FigureRow, FigureTable, Protocol } from "@qingshan/client";
import type { Locale } from "../calendar";
import type { Texts } from "../language";
import { say, showLength } from "../runs/words";

/** Whether a figure meets its goal; nothing when it has none, or there is nothing to tell it from. Of a count nobody can say. */
export function meets({ kind, value, goal, less }: Pick<Figure, "kind" | "value" | "goal" | "less">): boolean | undefined {
  if (kind === "count" || value === undefined || goal === undefined) return undefined;
  return less ? value <= goal : value >= goal;
}

/** The days a choice of period means, from the first to the last; the last is today. */
export function periodOf(choice: Period, today: string): { from: string; to: string } {
  const [year = 0, month = 1] = today.split("-").map(Number);
  const first = (back: number) => {
    const date = new Date(Date.UTC(year, month - 1 - back, 1));
    return date.toISOString().slice(0, 10);
  };
  if (choice === "month") return { from: first(0), to: today };
  if (choice === "lastMonth") {
    const last = new Date(Date.parse(`${first(0)}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
    return { from: first(1), to: last };
  }
  if (choice === "twelve") return { from: first(11), to: today };
  if (choice === "quarter") return { from: first((month - 1) % 3), to: today };
  return { from: `${year}-01-01`, to: today };
}

export const periods = ["month", "lastMonth", "quarter", "year", "twelve"] as const;
export type Period = (typeof periods)[number];

/** A number with what it counts; "–" when there is nothing to count. */
export function showFigure(texts: Pick<Texts, "t">, { kind, unit }: { kind: FigureKind; unit?: string }, value: number | undefined): string {
  if (value === undefined) return "–";
  if (kind === "median" || kind === "p90") return showLength(texts, value * 60_000);
  const rounded = Number.isInteger(value) ? String(value) : value.toFixed(1);
  if (kind === "count" || unit === "1") return rounded;
  return `${rounded} ${unit === "[ppth]" ? "‰" : "%"}`;
}

/** The cell of a row and a column; of all of them where none is named. */
export const cellAt = ({ cells }: FigureRow, month: string | null, member: string | null) =>
  cells.find(({ at }) => at[0] === month && at[1] === member);

/** The table with the values of a trait in the order and the words of their list. */
export function valuesNamed({ lists }: Pick<Protocol, "lists">, list: string | undefined, table: FigureTable, locale: Locale): FigureTable {
  const codes = lists?.find(({ code }) => code === list)?.codes;
  const [months = [], values = []] = table.groups;
  if (codes === undefined) return table;
  const place = (key: string) => codes.findIndex(({ code }) => code === key);
  const sorted = [...values].sort((left, right) => place(left.key) - place(right.key));
  const named = sorted.map(({ key }) => {
    const title = codes.find(({ code }) => code === key)?.title;
    return { key, ...(title !== undefined && { title: say(locale, title) }) };
  });
  return { ...table, groups: [months, named] };
}

/** Which of the runs behind a figure: all, those that count, or the others. */
export type Part = "runs" | "counted" | "others" | `need:${string}`;

/** The runs behind a part of a figure. */
export function behind(figure: Pick<Figure, "runs" | "counted" | "needs">, part: Part): readonly string[] {
  if (part === "runs" || part === "counted") return figure[part];
  if (part !== "others") return figure.needs?.find(({ code }) => `need:${code}` === part)?.lacking ?? [];
  const counted = new Set(figure.counted);
  return figure.runs.filter((id) => !counted.has(id));
}

/** The days of a month within a period. */
export function daysOf(month: string | null, period: { from: string; to: string }): { from: string; to: string } {
  if (month === null) return period;
  const [year = 0, number = 1] = month.split("-").map(Number);
  const last = new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10);
  const first = `${month}-01`;
  return { from: first < period.from ? period.from : first, to: last > period.to ? period.to : last };
}

/** A field of a file of comma-separated values; what a spreadsheet would take for a formula stays a text. <https://www.rfc-editor.org/rfc/rfc4180> */
export function csvField(text: string): string {
  const tame = /^[=+\-@\t]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
}

/** All indicators by month and member, as a spreadsheet reads them: a line for each cell. */
export function csvOf(texts: Pick<Texts, "t" | "locale">, table: FigureTable): string {
  const { t, locale } = texts;
  const [months = [], members = []] = table.groups;
  const head = ["indicator", "month", "member", "numerator", "denominator", "value", "unit"].map((name) => t(`figures.csv.${name}` as "figures.csv.month"));
  const lines = table.indicators.flatMap((row) =>
    [null, ...members].flatMap((member) =>
      [null, ...months].flatMap((month) => {
        const cell = cellAt(row, month?.key ?? null, member?.key ?? null);
        if (cell === undefined) return [];
        const value = cell.value === undefined ? "" : String(Math.round(cell.value * 100) / 100);
        const all = t("figures.all");
        return [[say(locale, row.title), month?.key ?? all, member === null ? all : (member.title ?? member.key), String(cell.numerator), String(cell.denominator), value, row.unit === "[ppth]" ? "‰" : row.unit]];
      }),
    ),
  );
  // The mark tells spreadsheets that the file is in UTF-8.
  return `\uFEFF${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}
