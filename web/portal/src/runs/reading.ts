import { Runs, type Communication, type Protocol, type RunView, type Service, type Task } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useService } from "../session";

/** The system of what runs that belong together have in common: the id of the first of them. */
const CHAIN = "https://qingshan.dev/fhir/sid/chain";
const NOTICE = "https://qingshan.dev/fhir/CodeSystem/notice";
const RUN = "https://qingshan.dev/fhir/CodeSystem/run";
const PROTOCOL = "https://qingshan.dev/fhir/CodeSystem/protocol";

/** The cache key of everything about one run; what happens in it makes all of it stale. */
export const aboutRun = (id: string) => ["run", id] as const;

/** Protocols and runs as the signed-in person sees them. */
export function useRuns(): Runs {
  const service = useService();
  return useMemo(() => new Runs(service), [service]);
}

/** Where a run stands, and how far this device's clock is behind the one that says so, in milliseconds. */
export function useRun(id: string) {
  const runs = useRuns();
  return useQuery({
    queryKey: [...aboutRun(id), "view"],
    queryFn: async ({ signal }) => {
      const run = await runs.run(id, signal);
      return { run, behind: Date.parse(run.now) - Date.now() };
    },
  });
}

/** A protocol of one version, which never changes. */
export function useProtocol(code: string | undefined, version?: string) {
  const runs = useRuns();
  return useQuery({
    queryKey: ["protocol", code ?? "", version ?? ""],
    enabled: code !== undefined,
    // A version stays as it is; what is in force may change while somebody looks.
    staleTime: version === undefined ? 60_000 : Number.POSITIVE_INFINITY,
    queryFn: ({ signal }): Promise<Protocol> => runs.protocol(code ?? "", version, signal),
  });
}

/** Other runs of the same chain, oldest first. */
export function useChain(run: RunView) {
  const service = useService();
  return useQuery({
    queryKey: [...aboutRun(run.id), "chain", run.chain],
    queryFn: ({ signal }) =>
      service.all<Task>(
        "Task",
        {
          "group-identifier": `${CHAIN}|${run.chain}`,
          _tag: `${RUN}|root`,
          _sort: "authored-on",
          _elements: "code,status,businessStatus,authoredOn,executionPeriod",
        },
        signal,
      ),
  });
}

/** The run of a protocol under which a run has gone on, if it can be seen. */
export async function followedBy(service: Service, run: RunView, protocol: string): Promise<Task | undefined> {
  const { found } = await service.search<Task>("Task", {
    "group-identifier": `${CHAIN}|${run.chain}`,
    _tag: `${RUN}|root`,
    code: `${PROTOCOL}|${protocol}`,
    status: "in-progress",
    _sort: "-authored-on",
    _count: "1",
    _elements: "code",
  });
  return found[0];
}

/** What was told about a run, newest first. */
export function useMessages(run: RunView) {
  const service = useService();
  return useQuery({
    queryKey: [...aboutRun(run.id), "messages"],
    enabled: run.patient !== undefined,
    queryFn: ({ signal }) => messagesOf(service, run, signal),
  });
}

async function messagesOf(service: Service, run: RunView, signal: AbortSignal): Promise<Communication[]> {
  // What a message is about is no parameter of a search, so all notices about the patient since then are read.
  const params = {
    subject: run.patient?.reference ?? "",
    category: `${NOTICE}|milestone,${NOTICE}|clock,${NOTICE}|class`,
    sent: `ge${run.began}`,
    _sort: "-sent",
    _count: "100",
  };
  const found = await service.all<Communication>("Communication", params, signal);
  return found.filter((message) => message.about?.some((one) => one.reference === `Task/${run.id}`));
}
