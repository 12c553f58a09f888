import type { CodeableConcept, Coding, Protocol, RunView, Words } from "@qingshan/client";
import type { Locale } from "../calendar";
import type { Texts } from "../language";

/** <http://hl7.org/fhir/R4/extension-translation.html> */
const TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation";

/** Words in the reader's language, else in the other one; nothing when there are none. */
export function say(locale: Locale, words: Words | undefined): string {
  const [own, other] = locale === "zh-CN" ? [words?.zh, words?.en] : [words?.en, words?.zh];
  return own || other || "";
}

type Translated = Partial<Record<"_text" | "_display", { extension?: Translation[] }>>;
type Translation = { url: string; extension?: { url: string; valueCode?: string; valueString?: string }[] };

/** What a concept is called in the reader's language, where somebody wrote it; else as it was written. */
export function conceptIn(locale: Locale, concept: CodeableConcept | undefined): string | undefined {
  if (concept === undefined) return undefined;
  const { _text } = concept as Translated;
  const translations = (_text?.extension ?? []).filter((one) => one.url === TRANSLATION);
  for (const { extension = [] } of translations) {
    const language = extension.find((part) => part.url === "lang")?.valueCode;
    const content = extension.find((part) => part.url === "content")?.valueString;
    if (language !== undefined && locale.startsWith(language.slice(0, 2)) && content) return content;
  }
  return concept.text ?? concept.coding?.find((coding) => coding.display)?.display;
}

/** What a coding is called in the reader's language, where somebody wrote it. */
export function codingIn(locale: Locale, { display, _display }: Coding): string | undefined {
  return conceptIn(locale, { ...(display !== undefined && { text: display }), ...(_display !== undefined && { _text: _display }) } as CodeableConcept);
}

/** A length of time, in milliseconds, in its two largest units. */
export function showLength({ t }: Pick<Texts, "t">, length: number): string {
  const seconds = Math.floor(Math.abs(length) / 1000);
  if (seconds < 60) return t("length.second", { count: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("length.minute", { count: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    const rest = minutes % 60;
    return rest === 0 ? t("length.hour", { count: hours }) : t("length.hour.minute", { count: hours, rest });
  }
  const rest = hours % 24;
  const days = Math.floor(hours / 24);
  return rest === 0 ? t("length.day", { count: days }) : t("length.day.hour", { count: days, rest });
}

/** A span as protocols write it, `90 s`, `20 min`, `24 h`, `7 d`, `2 wk`, `3 mo`, `1 a`, in words. */
export function showSpanOf({ t }: Pick<Texts, "t">, span: string): string {
  const [, amount = "", unit = ""] = /^\s*(\d+)\s*(s|min|h|d|wk|mo|a)\s*$/.exec(span) ?? [];
  const names = { s: "second", min: "minute", h: "hour", d: "day", wk: "week", mo: "month", a: "year" } as const;
  const name = names[unit as keyof typeof names];
  return name === undefined ? span : t(`length.${name}`, { count: amount });
}

/** How the class of a run is marked: the more urgent, the more it stands out. Ordinary things do not. */
export function classTag(protocol: Pick<Protocol, "class"> | undefined, run: Pick<RunView, "class">): string {
  const priority = protocol?.class?.find(({ code }) => code === run.class?.code)?.priority;
  if (priority === "stat") return "tag tag-grave";
  return priority === "urgent" || priority === "asap" ? "tag tag-care" : "tag";
}
