import type { Bundle } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useService } from "../session";
import { sourcesOf } from "./sources";

/** The systems that write to the record and told what time they have. */
export function useSources(isWanted = true) {
  const service = useService();
  return useQuery({
    queryKey: ["sources"],
    enabled: isWanted,
    refetchInterval: 60_000,
    queryFn: async ({ signal }) => sourcesOf(await service.operation<Bundle>("Device/$clocks", undefined, signal)),
  });
}
