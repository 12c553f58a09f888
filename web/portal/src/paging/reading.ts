import { Paging } from "@qingshan/client";
import { useMemo } from "react";
import { useService } from "../session";

/** Who is on call and how they are paged, as the signed-in person sees it. */
export function usePaging(): Paging {
  const service = useService();
  return useMemo(() => new Paging(service), [service]);
}
