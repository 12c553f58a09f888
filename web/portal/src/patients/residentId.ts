import type { Sex } from "@qingshan/client";

/** The system of resident identity numbers in this record. */
export const RESIDENT_ID = "https://qingshan.example/id/resident";

/** What a resident identity number says about its holder, or why it cannot be one. */
export type ResidentId =
  | { ok: true; value: string; birthDate: string; sex: Extract<Sex, "male" | "female"> }
  | { ok: false; why: "shape" | "birthDate" | "checkDigit" };

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_DIGITS = "10X98765432";

/** Digits and letters as keyboards for Chinese sometimes write them, in their plain form, without spaces between. */
export function plain(text: string): string {
  return text.normalize("NFKC").replace(/[\s\u200b]+/g, "");
}

/**
 * Reads an 18-digit resident identity number (GB 11643-1999). It takes a small x and full-width digits, and does not
 * ask whether the region code is still in use: people keep the number they were given.
 */
export function readResidentId(text: string): ResidentId {
  const value = plain(text).toUpperCase();
  if (!/^[1-9]\d{16}[\dX]$/.test(value)) return { ok: false, why: "shape" };
  const birthDate = `${value.slice(6, 10)}-${value.slice(10, 12)}-${value.slice(12, 14)}`;
  if (!isDay(birthDate)) return { ok: false, why: "birthDate" };
  const sum = WEIGHTS.reduce((total, weight, place) => total + weight * Number(value[place]), 0);
  if (CHECK_DIGITS[sum % 11] !== value[17]) return { ok: false, why: "checkDigit" };
  return { ok: true, value, birthDate, sex: Number(value[16]) % 2 === 1 ? "male" : "female" };
}

/** Whether `YYYY-MM-DD` is a day of the calendar. */
export function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}
