import type { QuestionnaireResponse, Resource, RunView, Service } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { useTexts } from "../language";
import { part } from "../part";
import { useService } from "../session";
import { Loading } from "../states";
import { showMoment } from "../views/Readable";
import { nameOf } from "./RunPage";
import { aboutRun, useProtocol } from "./reading";
import { say } from "./words";

const Answers = part(() => import("./Answers"));

/** A form of a run that was filled in. */
interface Paper {
  reference: string;
  title: string;
  /** By whom and when. */
  note: string;
  ended: string;
}

/**
 * The forms a run began with: the one it was started with, and those that what it is about points to. What may not be
 * read is as if it were not there.
 */
export async function firstPapers(service: Service, run: Pick<RunView, "focus" | "response">, signal: AbortSignal): Promise<QuestionnaireResponse[]> {
  const idOf = (reference: string | undefined) => /^QuestionnaireResponse\/(.+)$/.exec(reference ?? "")?.[1];
  const readable = async (id: string) => {
    try {
      return await service.read<QuestionnaireResponse>("QuestionnaireResponse", id, signal);
    } catch {
      return undefined;
    }
  };
  const named = new Set<string | undefined>([idOf(run.response)]);
  const [type = "", focus = ""] = run.focus?.split("/") ?? [];
  if (type === "ServiceRequest") {
    try {
      const request = await service.read<Resource & { supportingInfo?: { reference?: string }[] }>(type, focus, signal);
      for (const { reference } of request.supportingInfo ?? []) named.add(idOf(reference));
    } catch {
      // Whoever may not read the request may still read the form.
    }
  }
  const found = await Promise.all([...named].flatMap((id) => (id === undefined ? [] : [readable(id)])));
  return found.filter((response) => response !== undefined);
}

/** Every form of a run that was filled in: first what it began with, then the others in the order of time. */
function usePapers(run: RunView): { first: Paper[]; others: Paper[] } {
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const cache = useQueryClient();
  const protocol = useProtocol(run.protocol.code, run.protocol.version);
  const began = useQuery({
    queryKey: [...aboutRun(run.id), "papers", run.focus ?? "", run.response ?? ""],
    enabled: run.response !== undefined || run.focus?.startsWith("ServiceRequest/") === true,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const found = await firstPapers(service, run, signal);
      for (const response of found) cache.setQueryData(["answers", response.id], response);
      return found;
    },
  });
  const noteOf = (who: string | undefined, at: string | undefined) => [who, at && showMoment(texts, at)].filter(Boolean).join(" · ");
  const titleOf = ({ questionnaire }: QuestionnaireResponse) => {
    const code = questionnaire?.split("|")[0]?.split("/").at(-1);
    return say(locale, protocol.data?.forms?.find((form) => form.code === code)?.title) || t("run.forms.first");
  };
  const first = (began.data ?? []).map((response) => ({
    reference: `QuestionnaireResponse/${response.id}`,
    title: titleOf(response),
    note: noteOf(response.author?.display ?? nameOf(run, response.author?.reference), response.authored),
    ended: response.authored ?? "",
  }));
  const others = run.steps.flatMap((step) => {
    if (step.response === undefined) return [];
    const outcome = step.outcomes.find(({ code }) => code === step.outcome);
    const title = [say(locale, step.title), outcome && say(locale, outcome.title)].filter(Boolean).join(" · ");
    return [{ reference: step.response, title, note: noteOf(nameOf(run, step.by), step.ended), ended: step.ended ?? "" }];
  });
  others.sort((left, right) => Date.parse(left.ended) - Date.parse(right.ended));
  return { first, others };
}

/**
 * What was written on the way, to be read where it is needed.
 *
 * @param isOpen whether what the run began with and what was written last stand open
 */
export function Papers({ run, isOpen = false }: { run: RunView; isOpen?: boolean }) {
  const { t } = useTexts();
  const { first, others } = usePapers(run);
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set());
  const papers = [...first, ...others];
  if (papers.length === 0) return null;
  const standing = new Set(isOpen ? [...first, ...others.slice(-1)].map(({ reference }) => reference) : []);
  const turn = (reference: string) => {
    const next = new Set(turned);
    if (!next.delete(reference)) next.add(reference);
    setTurned(next);
  };
  return (
    <section className="card" aria-label={t("run.forms")}>
      <h2>{t("run.forms")}</h2>
      <ul className="lines papers">
        {papers.map(({ reference, title, note }) => {
          const isShown = standing.has(reference) !== turned.has(reference);
          return (
            <li key={reference}>
              <span>
                <strong>{title}</strong>
                <span className="what line-note">{note}</span>
              </span>
              <button type="button" className="button-link" aria-expanded={isShown} onClick={() => turn(reference)}>
                {t(isShown ? "run.forms.close" : "run.forms.open")}
              </button>
              {isShown && (
                <Suspense fallback={<Loading />}>
                  <Answers reference={reference} />
                </Suspense>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
