import type { Figure, FigureKind } from "@qingshan/client";

/** Kinds whose number is better the larger it is. Of a count nobody can say. */
const MORE_IS_BETTER: Readonly<Record<FigureKind, boolean | undefined>> = {
  count: undefined,
  share: true,
  ratio: true,
  median: false,
  p90: false,
};

/** Whether a figure meets its goal; nothing when it has none, or there is nothing to tell it from. */
export function meets({ kind, value, goal }: Pick<Figure, "kind" | "value" | "goal">): boolean | undefined {
  const isMore = MORE_IS_BETTER[kind];
  if (isMore === undefined || value === undefined || goal === undefined) return undefined;
  return isMore ? value >= goal : value <= goal;
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
  if (choice === "quarter") return { from: first((month - 1) % 3), to: today };
  return { from: `${year}-01-01`, to: today };
}

export const periods = ["month", "lastMonth", "quarter", "year"] as const;
export type Period = (typeof periods)[number];
