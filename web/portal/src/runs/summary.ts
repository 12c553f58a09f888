import type { RunView } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { SUSPECTED } from "../board/board";
import { useTexts } from "../language";
import { showMoment } from "../views/Readable";
import { useRuns } from "./reading";
import { say } from "./words";

/** A line of a run's summary. */
type Line = RunView["summary"][number];

/** Says what a line of a run's summary holds: moments as people read them, and what is suspected in words. */
export function useSummary(summary: readonly Line[]): (line: Line) => string {
  const texts = useTexts();
  const { known, locale } = texts;
  const runs = useRuns();
  const protocols = useQuery({
    queryKey: ["protocols"],
    enabled: summary.some(({ code }) => code === SUSPECTED),
    staleTime: 60_000,
    queryFn: ({ signal }) => runs.protocols(signal),
  });
  return ({ code, value }) => {
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return showMoment(texts, value);
    if (code !== SUSPECTED) return value;
    const protocol = protocols.data?.find((one) => one.code === value);
    return known("routing.pathway", value) ?? (protocol && say(locale, protocol.title)) ?? value;
  };
}
