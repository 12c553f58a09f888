import type { CodeableConcept, Patient } from "@qingshan/client";
import { QINGSHAN } from "../ambulance/scores";
import { age, bounds, showDate, showTime, since } from "../calendar";
import { useTexts, type Texts } from "../language";
import { rank, textOf, type Entry, type Value } from "./timeline";
import { LOINC } from "./vitals";

/** What is shown of a person beside the name. The age of the dead is the age they reached. */
export function useShown(patient: Patient): { sexAndAge: string; sex: string; birthDate: string } {
  const { t, locale } = useTexts();
  const end = bounds(patient.deceasedDateTime)?.from ?? Date.now();
  const years = age(patient.birthDate, end);
  const sex = t(`sex.${patient.gender ?? "unknown"}`);
  const shownAge = years === undefined ? t("age.unknown") : t(`age.${years.unit}`, { count: years.count });
  const birthDate = patient.birthDate === undefined ? t("patient.unknown") : showDate(patient.birthDate, locale);
  return { sexAndAge: `${sex} · ${shownAge}`, sex, birthDate };
}

/** A concept in the reader's language where the catalogue knows its code, else as it was recorded. */
export function showConcept({ t, known, locale }: Texts, concept: CodeableConcept | undefined): string {
  const code = concept?.coding?.find((coding) => coding.system === LOINC)?.code;
  const own = concept?.coding?.find((coding) => coding.system === QINGSHAN)?.code;
  const translated = known("loinc", code) ?? known("ambulance.item", own);
  const recorded = concept && textOf(concept);
  // Words that were recorded in Chinese are closer to what was meant than our name for the code.
  const keepsRecorded = locale === "zh-CN" && recorded !== undefined && /\p{Script=Han}/u.test(recorded);
  return (keepsRecorded ? recorded : (translated ?? recorded)) ?? t("timeline.untitled");
}

/** What an entry is about, in one line. */
export function showTitle(texts: Texts, entry: Entry): string {
  const setting = texts.known("setting", entry.setting);
  if (entry.kind !== "Encounter") return showConcept(texts, entry.what);
  if (entry.what === undefined) return setting ?? texts.t("kind.Encounter");
  const what = showConcept(texts, entry.what);
  return setting === undefined || what.includes(setting) ? what : `${setting} · ${what}`;
}

/** A value with its unit. */
export function showValue(texts: Texts, value: Value): string {
  const bare = value.text ?? (value.concept === undefined ? "" : showConcept(texts, value.concept));
  return value.unit ? `${bare} ${value.unit}` : bare;
}

/** All values of an entry in one line, each under its own name if it has one. */
export function showValues(texts: Texts, entry: Entry): string {
  const named = (value: Value) => (value.name === undefined ? "" : `${showConcept(texts, value.name)} `);
  return entry.values.map((value) => named(value) + showValue(texts, value)).join(" · ");
}

/** How long ago a moment was. */
export function showAgo({ t }: Pick<Texts, "t">, moment: number, now: number): string {
  const { unit, count } = since(moment, now);
  return t(`span.ago.${unit}`, { count });
}

/** The day an entry stands under. */
export function showGroup({ t, locale }: Texts, entry: Entry): string {
  const at = rank(entry);
  if (at === Number.POSITIVE_INFINITY) return t("timeline.ongoing");
  if (at === Number.NEGATIVE_INFINITY) return t("timeline.undated");
  return showDate(entry.when.end ?? entry.when.start, locale);
}

/** The time of an entry within the day it stands under; both ends when it lasted longer. */
export function showSpan({ t, locale }: Texts, entry: Entry): string {
  const { start, end } = entry.when;
  const long = (when: string) => [showDate(when, locale), showTime(when)].filter(Boolean).join(" ");
  if (start !== undefined && end === undefined) return t("timeline.from", { from: long(start) });
  if (start !== undefined && end !== undefined && start !== end) {
    const isOneDay = showDate(start, locale) === showDate(end, locale);
    const short = (when: string) => showTime(when) ?? showDate(when, locale);
    return isOneDay
      ? t("timeline.until", { from: short(start), to: short(end) })
      : t("timeline.until", { from: long(start), to: long(end) });
  }
  return showTime(end ?? start) ?? "";
}
