import type { Protocol } from "@qingshan/client";
import { useQueries } from "@tanstack/react-query";
import { useRuns } from "../runs/reading";
import type { Row } from "./worklist";

/** Which rows nobody need do for their run to go on. Of a protocol that is not known yet nothing is said. */
export function useOptional(rows: readonly Row[]): (row: Row) => boolean {
  const runs = useRuns();
  const codes = [...new Set(rows.map(({ protocol }) => protocol))].filter((code) => code !== "").sort();
  const protocols = useQueries({
    queries: codes.map((code) => ({
      queryKey: ["protocol", code, ""],
      staleTime: 60_000,
      queryFn: ({ signal }: { signal: AbortSignal }): Promise<Protocol> => runs.protocol(code, undefined, signal),
    })),
  });
  const optional = new Set(
    protocols.flatMap(({ data }) => (data?.step ?? []).filter((step) => step.optional === true).map((step) => `${data?.code}.${step.code}`)),
  );
  return ({ task }) => task.code?.coding?.some(({ code }) => optional.has(code ?? "")) === true;
}
