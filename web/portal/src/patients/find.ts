import { readDay } from "../calendar";
import { plain } from "./residentId";

/** A search for people: parameters of `Patient` that must all match. */
export type Question = Readonly<Partial<Record<"name" | "identifier" | "phone" | "birthdate", string>>>;

/**
 * What somebody who types this may be looking for. Letters and Han are a name, and a name with a day or a year of birth
 * is both; digits are a telephone number, a number on some card or a day of birth; a mixture is a number on a card or a
 * name. Nothing is asked of less than one Han, two letters or four digits, which would match half the town.
 */
export function questions(typed: string): Question[] {
  const text = typed.normalize("NFKC").trim().replace(/\s+/g, " ");
  const dense = plain(text);
  const day = readDay(text);
  if (/^[+\d\s()-]+$/.test(text)) {
    const digits = dense.replace(/[()-]/g, "");
    if (digits.length < 4) return [];
    const card = { identifier: digits.replace("+", "") };
    if (digits.length >= 15) return [card];
    const born = day === undefined ? [] : [{ birthdate: day }];
    return text.includes("-") && day !== undefined ? born : [...born, { phone: digits }, card];
  }
  if (day !== undefined) return [{ birthdate: day }];
  if (/^\d{17}x$/i.test(dense)) return [{ identifier: dense.toUpperCase() }];
  const both = /^(\D+?) ?(\d{4}|\d{8}|\d{4}[-/.年]\d.*)年?$/.exec(text);
  const birthdate = both && (readDay(both[2] ?? "") ?? /^(?:19|20)\d\d$/.exec(both[2] ?? "")?.[0]);
  if (both?.[1] && birthdate) {
    return [{ name: both[1], birthdate }, { identifier: text }];
  }
  if (/\d/.test(text)) return [{ identifier: text }, { name: text }];
  const isEnough = /\p{Script=Han}/u.test(text) || dense.length >= 2;
  return isEnough ? [{ name: text }] : [];
}
