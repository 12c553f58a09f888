import type { Figure, Protocol, RunView } from "@qingshan/client";
import { minuteAt } from "../calendar";
import type { Texts } from "../language";
import { say } from "../runs/words";
import { csvField } from "./figures";

/** A month as `YYYY-MM`, so many months later. */
export function monthsLater(month: string, months: number): string {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + months, 1)).toISOString().slice(0, 7);
}

/** Three years of months, the latest first, and another one if it is looked at. */
export function monthsUpTo(latest: string, other: string): string[] {
  const months = Array.from({ length: 36 }, (_, back) => monthsLater(latest, -back));
  return months.includes(other) ? months : [...months, other].sort().reverse();
}

/** The first and the last day of a month, `YYYY-MM`. */
export function wholeMonth(month: string): { from: string; to: string } {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return { from: `${month}-01`, to: new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10) };
}

/** Every run that any figure is about, in the order in which figures name them. */
export const casesOf = (figures: readonly Figure[]): string[] => [...new Set(figures.flatMap(({ runs, counted }) => [...runs, ...counted]))];

/** How somebody came, as far as what came about says so: registries call it 来院方式. */
export function arrivalOf({ milestones }: Pick<RunView, "milestones">): "called" | "sent" | "inside" | "alone" {
  const has = (code: string) => milestones.some((one) => one.code === code && one.superseded !== true);
  if (has("called")) return "called";
  if (has("sent")) return "sent";
  return has("recognised") ? "inside" : "alone";
}

/** The milestones that registries want the time of: those from which or to which a clock goes, in the order of the protocol. */
export function timed(protocol: Pick<Protocol, "milestone" | "clock">): NonNullable<Protocol["milestone"]> {
  const named = new Set((protocol.clock ?? []).flatMap(({ from, to }) => [from, ...to]));
  return (protocol.milestone ?? []).filter(({ code }) => named.has(code));
}

/** Minutes a clock took in a run, to one decimal; nothing while it runs and where it was cut off. */
export function tookOf({ clocks }: Pick<RunView, "clocks">, code: string): number | undefined {
  const took = clocks.flatMap((one) => {
    if (one.code !== code || one.stopped === undefined || one.cut === true) return [];
    return [Date.parse(one.stopped) - Date.parse(one.began) - (one.held ?? 0) * 1_000];
  });
  return took.length === 0 ? undefined : Math.round(Math.max(...took) / 6_000) / 10;
}

/**
 * A line for each case as registries are filled in: no name and no number of a person, how they came, the time of every
 * milestone a clock hangs on, and how long each clock took.
 */
export function registryOf(texts: Pick<Texts, "t" | "locale" | "known">, protocol: Protocol, runs: readonly RunView[]): string {
  const { t, locale, known } = texts;
  const milestones = timed(protocol);
  const clocks = protocol.clock ?? [];
  const head = [
    ...(["case", "arrival", "class", "end"] as const).map((field) => t(`month.registry.${field}`)),
    ...milestones.map(({ title }) => say(locale, title)),
    ...clocks.map(({ title }) => t("month.registry.minutes", { what: say(locale, title) })),
  ];
  const lines = runs.map((run) => {
    const at = (code: string) => run.milestones.filter((one) => one.code === code && one.superseded !== true).at(-1)?.at;
    return [
      run.id,
      t(`month.arrival.${arrivalOf(run)}`),
      run.class === undefined ? "" : say(locale, run.class.title),
      run.end === undefined ? t("run.going") : (known("run.end", run.end) ?? run.end),
      ...milestones.map(({ code }) => {
        const when = at(code);
        return when === undefined ? "" : minuteAt(Date.parse(when));
      }),
      ...clocks.map(({ code }) => String(tookOf(run, code) ?? "")),
    ];
  });
  // The mark tells spreadsheets that the file is in UTF-8.
  return `\uFEFF${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}

/** The figures of a month as a spreadsheet reads them. */
export function monthCsv(texts: Pick<Texts, "t" | "locale">, figures: readonly Figure[], month: string, centre: string): string {
  const { t, locale } = texts;
  const head = (["indicator", "month", "member", "numerator", "denominator", "value", "unit"] as const).map((name) => t(`figures.csv.${name}`));
  const lines = figures.map((figure) => {
    const value = figure.value === undefined ? "" : String(Math.round(figure.value * 100) / 100);
    const unit = figure.unit === "[ppth]" ? "‰" : (figure.unit ?? "");
    return [say(locale, figure.title), month, centre, String(figure.numerator ?? figure.counted.length), String(figure.denominator), value, unit];
  });
  return `\uFEFF${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}
