import { Failure, type Element, type Resource, type RunView, type Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { cited } from "../citations";
import { textIn } from "../forms/questionnaire";
import { useTexts, type Texts } from "../language";
import { showGroup, showSpan, showTitle, showValues } from "../patients/show";
import { entryOf, type Entry } from "../patients/timeline";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { aboutRun } from "./reading";

/** The identifiers by which rules are known: the code of the protocol they suggest. */
const CRITERIA = "https://qingshan.dev/fhir/sid/criteria";

/** The rules of a protocol. <http://hl7.org/fhir/R4/plandefinition.html> */
interface Rules extends Resource {
  action?: { id?: string; title?: string; _title?: Element; documentation?: { type?: string; display?: string }[] }[];
}

/** What showed that a rule held, as far as whoever looks may read it. */
export interface Shown {
  rule: NonNullable<Rules["action"]>[number] | undefined;
  entries: Entry[];
  /** How many of them may not be read. */
  hidden: number;
}

/** Reads the rule by which a run began, and what showed that it held. */
export async function shownBy(service: Pick<Service, "search" | "read">, { rule, evidence }: NonNullable<RunView["grounds"]>, signal: AbortSignal): Promise<Shown> {
  const [protocol = "", code] = rule.split(".");
  const rules = service.search<Rules>("PlanDefinition", { identifier: `${CRITERIA}|${protocol}`, _count: "1" }, signal);
  const entries = evidence.flatMap((one) => ("resource" in one ? [one.resource.split("/")] : [])).map(async ([type = "", id = ""]) => {
    try {
      return entryOf(await service.read<Resource>(type, id, signal));
    } catch (cause) {
      // What stands in a closed part of the record is counted; that nothing was heard is a failure of all.
      if (cause instanceof Failure && (cause.kind === "refused" || cause.kind === "missing")) return undefined;
      throw cause;
    }
  });
  const [page, found] = await Promise.all([rules, Promise.all(entries)]);
  const seen = found.filter((entry) => entry !== undefined);
  return { rule: page.found[0]?.action?.find(({ id }) => id === code), entries: seen, hidden: found.length - seen.length };
}

/** Why a run began that nobody began: by which rule, where that comes from, and what of the record showed it. */
export function Grounds({ run }: { run: RunView }) {
  return run.grounds === undefined ? null : <Because run={run} grounds={run.grounds} />;
}

function Because({ run, grounds }: { run: RunView; grounds: NonNullable<RunView["grounds"]> }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const found = useQuery({
    queryKey: [...aboutRun(run.id), "grounds", grounds.rule],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => shownBy(service, grounds, signal),
  });
  const source = found.data?.rule?.documentation?.[0]?.display;
  return (
    <section className="grounds" aria-label={t("grounds.title")}>
      <h3>{t("grounds.title")}</h3>
      {found.isPending && <Loading rows={2} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && (
        <>
          <p>{textIn(locale, found.data.rule?.title, found.data.rule?._title) || grounds.rule}</p>
          <ul>
            {found.data.entries.map((entry) => (
              <li key={`${entry.kind} ${entry.id}`}>{lineOf(texts, entry)}</li>
            ))}
          </ul>
          {found.data.hidden > 0 && <p className="what">{t("grounds.hidden", { count: found.data.hidden })}</p>}
          {source !== undefined && <p className="what">{t("grounds.source", { source: cited(locale, source) })}</p>}
        </>
      )}
    </section>
  );
}

/** One thing that showed it, in one line: what, how much, when. */
function lineOf(texts: Texts, entry: Entry): string {
  const isOpen = entry.when.start !== undefined && entry.when.end === undefined;
  const when = isOpen ? showSpan(texts, entry) : [showGroup(texts, entry), showSpan(texts, entry)].filter(Boolean).join(" ");
  return [showTitle(texts, entry), showValues(texts, entry) || entry.notes.join(" "), when].filter(Boolean).join(" · ");
}
