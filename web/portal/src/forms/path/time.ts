import { dayAt } from "../../calendar";
import type { Item, Quantity } from "./item";

const DAY = 86_400_000;
const MILLISECONDS: Readonly<Record<string, number>> = { hour: 3_600_000, minute: 60_000, second: 1_000, millisecond: 1 };

const padded = (value: number, width = 2) => String(value).padStart(width, "0");

/** A date or a time so much later or earlier, in the precision and with the offset it was written with. */
export function shift(item: Item & { value: string }, span: Quantity, sign: 1 | -1): Item[] {
  const amount = sign * Math.trunc(span.value);
  const found = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(T.*)?)?)?$/.exec(item.value);
  if (found === null) return clock(item, span, amount);
  const [, year, month, day, time] = found;
  const months = { year: 12, month: 1 }[span.unit];
  if (months !== undefined) {
    const count = Number(year) * 12 + Number(month ?? "1") - 1 + amount * months;
    const [y, m] = [Math.floor(count / 12), (count % 12) + 1];
    // The 31st of a month that has none is its last day.
    const d = Math.min(Number(day ?? "1"), new Date(Date.UTC(y, m, 0)).getUTCDate());
    const parts = [padded(y, 4), ...(month === undefined ? [] : [padded(m)]), ...(day === undefined ? [] : [padded(d)])];
    return [{ ...item, value: parts.join("-") + (time ?? "") }];
  }
  const days = { week: 7, day: 1 }[span.unit];
  if (days !== undefined && day !== undefined) {
    const moment = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)) + amount * days * DAY);
    return [{ ...item, value: moment.toISOString().slice(0, 10) + (time ?? "") }];
  }
  const step = MILLISECONDS[span.unit];
  if (step === undefined || time === undefined) return [];
  const offset = /(Z|[+-]\d\d:\d\d)$/.exec(item.value)?.[1] ?? "Z";
  const east = offset === "Z" ? 0 : (offset.startsWith("-") ? -1 : 1) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4))) * 60_000;
  const moment = Date.parse(item.value.endsWith(offset) ? item.value : `${item.value}Z`);
  const shown = new Date(moment + amount * step + east).toISOString().replace(/\.000Z$|Z$/, "");
  return [{ ...item, value: shown + (item.value.endsWith(offset) ? offset : "") }];
}

/** The time of day so much later, around midnight. */
function clock(item: Item & { value: string }, span: Quantity, amount: number): Item[] {
  const [hour = 0, minute = 0, second = 0] = item.value.split(":").map(Number);
  const step = MILLISECONDS[span.unit];
  if (step === undefined) return [];
  const moment = ((hour * 3_600_000 + minute * 60_000 + second * 1_000 + amount * step) % DAY) + DAY;
  return [{ ...item, value: new Date(moment).toISOString().slice(11, 11 + Math.max(5, item.value.length)) }];
}

/** A moment as FHIR writes it, in Shanghai. */
export function instant(now: number): string {
  return `${new Date(now + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;
}

/** The day in Shanghai at a moment. */
export const today = dayAt;
