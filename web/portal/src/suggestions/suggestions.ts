import type { ProtocolEntry, Suggestion, SuggestionEvidence } from "@qingshan/client";
import { useQueries, useQuery } from "@tanstack/react-query";
import type { Texts } from "../language";
import { about } from "../patients/reading";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { showMoment } from "../views/Readable";

/** A suggestion with the protocol it is of. */
export type Suggested = Suggestion & { protocol: Pick<ProtocolEntry, "code" | "title"> };

export const suggestionsOf = (patient: string, protocol: string) => [...about(patient), "suggestions", protocol] as const;

/** What the record suggests of a patient, by the protocols that whoever looks may start. */
export function useSuggestions(patient: string | undefined, only?: string) {
  const runs = useRuns();
  const entries = useQuery({ queryKey: ["protocols"], queryFn: ({ signal }) => runs.protocols(signal) });
  const asked = (entries.data ?? []).filter((one) => one.suggests && one.mayStart && (only === undefined || one.code === only));
  const found = useQueries({
    queries: (patient === undefined ? [] : asked).map((protocol) => ({
      queryKey: suggestionsOf(patient ?? "", protocol.code),
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Suggested[]> =>
        (await runs.suggestions(protocol.code, { patient: patient ?? "" }, signal)).map((one) => ({ ...one, protocol })),
    })),
  });
  return {
    failed: [entries, ...found].find((one) => one.isError),
    suggested: byGravity(found.flatMap(({ data }) => data ?? [])),
  };
}

const GRAVITY = ["stat", "asap", "urgent", "routine"];

/** The graver first; rules of one gravity as their protocol has them. */
export function byGravity<T extends Pick<Suggestion, "class">>(all: readonly T[]): T[] {
  const rank = ({ class: klass }: Pick<Suggestion, "class">) => GRAVITY.indexOf(klass?.priority ?? "routine");
  return [...all].sort((one, other) => rank(one) - rank(other));
}

export const isEmergency = ({ class: klass }: Pick<Suggestion, "class">): boolean => klass?.priority === "stat";

/** What shows that a rule holds, in one line: what, how much, when. */
export function showEvidence(texts: Pick<Texts, "t" | "locale" | "known">, { code, title, values, at }: SuggestionEvidence): string {
  const comma = texts.locale === "zh-CN" ? "，" : ", ";
  const name = texts.known("loinc", code) ?? title ?? code;
  const measured = values.map((one) => {
    const what = texts.known("loinc", one.code) ?? one.title;
    return [what, one.value, one.unit].filter(Boolean).join(" ");
  });
  // Parts that say what they are need no name before them.
  const needsName = values.length === 0 || values.some((one) => one.code === undefined && one.title === undefined);
  const said = [needsName ? name : undefined, measured.join(comma)].filter(Boolean).join(" ");
  return at === undefined ? said : texts.t("suggestions.evidence.at", { what: said, at: showMoment(texts, at) });
}

/** What is written as the reason where a suggestion is followed. */
export function reasonOf(texts: Pick<Texts, "t" | "locale" | "known">, suggestion: Pick<Suggestion, "title" | "evidence">): string {
  const shown = suggestion.evidence.filter(({ reference }) => reference !== undefined).map((one) => showEvidence(texts, one));
  return [say(texts.locale, suggestion.title), ...shown].join(texts.locale === "zh-CN" ? "；" : "; ");
}

/** The address of the start form with a suggestion taken up. */
export function startOf({ protocol, patient, rule }: Pick<Suggested, "protocol" | "patient" | "rule">): string {
  const query = new URLSearchParams({ view: "start", patient: patient.reference.replace("Patient/", ""), suggestion: rule });
  return `/protocols/${encodeURIComponent(protocol.code)}?${query.toString()}`;
}
