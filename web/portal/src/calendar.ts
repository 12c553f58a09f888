import type { When } from "@qingshan/client";

/** China has kept one offset all year since 1991; records are shown in it wherever they are read. */
export const ZONE = "Asia/Shanghai";
export const OFFSET = "+08:00";

/** The locales that screens come in. */
export type Locale = "zh-CN" | "en";

type Fields = { year: string; month: string; day: string; hour: string; minute: string; second: string };

const clock = new Intl.DateTimeFormat("en-CA", {
  timeZone: ZONE,
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** The clock on a wall in Shanghai at a moment, in milliseconds since 1970. */
function fieldsAt(moment: number): Fields {
  const parts = clock.formatToParts(moment).map((part) => [part.type, part.value]);
  return Object.fromEntries(parts) as Fields;
}

/** The day in Shanghai at a moment, as `YYYY-MM-DD`. */
export function dayAt(moment: number): string {
  const { year, month, day } = fieldsAt(moment);
  return `${year}-${month}-${day}`;
}

/** The minute in Shanghai at a moment, as people type it: `YYYY-MM-DD HH:MM`. */
export function minuteAt(moment: number): string {
  const { hour, minute } = fieldsAt(moment);
  return `${dayAt(moment)} ${hour}:${minute}`;
}

/** The time of day in Shanghai at a moment, as `HH:MM:SS`. */
export function timeAt(moment: number): string {
  const { hour, minute, second } = fieldsAt(moment);
  return `${hour}:${minute}:${second}`;
}

/**
 * The first and the last moment a FHIR date or time may mean, in milliseconds since 1970, or nothing when it is not
 * one. Dates are days in Shanghai. <http://hl7.org/fhir/R4/datatypes.html#dateTime>
 */
export function bounds(when: When | undefined): { from: number; to: number } | undefined {
  const parts = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(T.+)?)?)?$/.exec(when ?? "");
  if (parts === null) return undefined;
  const [, year, month, day, time] = parts;
  if (time !== undefined) {
    const moment = Date.parse(when ?? "");
    return Number.isNaN(moment) ? undefined : { from: moment, to: moment };
  }
  const from = Date.parse(`${year}-${month ?? "01"}-${day ?? "01"}T00:00:00${OFFSET}`);
  if (Number.isNaN(from)) return undefined;
  const next = new Date(from);
  if (day !== undefined) next.setUTCDate(next.getUTCDate() + 1);
  else if (month !== undefined) next.setTime(Date.parse(nextMonth(Number(year), Number(month))));
  else next.setTime(Date.parse(nextMonth(Number(year), 12)));
  return { from, to: next.getTime() - 1 };
}

function nextMonth(year: number, month: number): string {
  const [then, number] = month === 12 ? [year + 1, 1] : [year, month + 1];
  return `${String(then).padStart(4, "0")}-${String(number).padStart(2, "0")}-01T00:00:00${OFFSET}`;
}

/** A day, month or year as people read it. What is not a date is shown as it stands. */
export function showDate(when: When | undefined, locale: Locale): string {
  const found = bounds(when);
  if (when === undefined || found === undefined) return when ?? "";
  const day = when.includes("T") ? dayAt(found.from) : when;
  const [year, month, date] = day.split("-");
  if (date !== undefined) return day;
  if (month === undefined) return locale === "zh-CN" ? `${Number(year)}年` : `${year}`;
  return locale === "zh-CN" ? `${year}年${Number(month)}月` : `${year}-${month}`;
}

/** The time of day of a FHIR time, as `HH:MM`, or nothing when it is a mere date. */
export function showTime(when: When | undefined): string | undefined {
  if (when === undefined || !when.includes("T")) return undefined;
  const found = bounds(when);
  return found && timeAt(found.from).slice(0, 5);
}

/** A span of time as a number and the unit it is best told in. */
export interface Span {
  count: number;
  unit: "second" | "minute" | "hour" | "day" | "month" | "year";
}

/** How long ago a moment was, told in the largest unit that fits. */
export function since(moment: number, now: number): Span & { unit: "second" | "minute" | "hour" | "day" } {
  const seconds = Math.max(0, Math.floor((now - moment) / 1000));
  if (seconds < 60) return { count: seconds, unit: "second" };
  if (seconds < 3600) return { count: Math.floor(seconds / 60), unit: "minute" };
  if (seconds < 48 * 3600) return { count: Math.floor(seconds / 3600), unit: "hour" };
  return { count: Math.floor(seconds / 86_400), unit: "day" };
}

/**
 * The age on the day of `at`, as clinicians tell it: days in the first month, months in the first three years, then
 * years. Nothing when the date of birth is not known to the day or lies ahead, unless the year alone already tells.
 */
export function age(birthDate: When | undefined, at: number): (Span & { unit: "day" | "month" | "year" }) | undefined {
  const born = bounds(birthDate);
  if (birthDate === undefined || born === undefined || born.from > at) return undefined;
  const [year = 0, month, day] = birthDate.slice(0, 10).split("-").map(Number);
  const [thisYear = 0, thisMonth = 1, thisDay = 1] = dayAt(at).split("-").map(Number);
  if (month === undefined) return thisYear - year > 3 ? { count: thisYear - year, unit: "year" } : undefined;
  const months = (thisYear - year) * 12 + thisMonth - month - (thisDay < (day ?? 1) ? 1 : 0);
  if (months >= 36) return { count: Math.floor(months / 12), unit: "year" };
  if (months >= 1 || day === undefined) return { count: Math.max(0, months), unit: "month" };
  return { count: Math.floor((at - born.from) / 86_400_000), unit: "day" };
}

/** A day as people type it, `1980-1-5`, `19800105`, `1980/1/5` or `1980年1月5日`, as `YYYY-MM-DD`; or nothing. */
export function readDay(text: string): string | undefined {
  const typed = text.normalize("NFKC").trim();
  const parts = /^(\d{4})(\d\d)(\d\d)$/.exec(typed) ?? /^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?$/.exec(typed);
  if (parts === null) return undefined;
  const day = `${parts[1]}-${parts[2]?.padStart(2, "0")}-${parts[3]?.padStart(2, "0")}`;
  const found = bounds(day);
  // A calendar that rolls the 30th of February over to March would take what nobody meant.
  return found !== undefined && dayAt(found.from) === day ? day : undefined;
}

/** A minute as people type it, in Shanghai: a day as {@link readDay} takes it and `8:05`; as a FHIR time, or nothing. */
export function readMinute(text: string): When | undefined {
  const parts = /^(.*\S)\s+(\d{1,2}):(\d\d)$/.exec(text.normalize("NFKC").trim());
  const day = parts === null ? undefined : readDay(parts[1] ?? "");
  const hour = Number(parts?.[2]);
  const minute = Number(parts?.[3]);
  if (day === undefined || hour > 23 || minute > 59) return undefined;
  return `${day}T${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}:00${OFFSET}`;
}
