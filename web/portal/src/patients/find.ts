import { plain } from "./residentId";

/** A search for people: a parameter of `Patient` and what it must match. */
export interface Question {
  parameter: "name" | "identifier" | "phone";
  value: string;
}

/**
 * What somebody who types this may be looking for. Letters and Han are a name; digits are a telephone number or a number
 * on some card; a mixture is a number on a card or a name. Nothing is asked of less than one Han, two letters or four
 * digits, which would match half the town.
 */
export function questions(typed: string): Question[] {
  const text = typed.normalize("NFKC").trim().replace(/\s+/g, " ");
  const dense = plain(text);
  if (/^[+\d\s()-]+$/.test(text)) {
    const digits = dense.replace(/[()-]/g, "");
    if (digits.length < 4) return [];
    const card: Question = { parameter: "identifier", value: digits.replace("+", "") };
    return digits.length >= 15 ? [card] : [{ parameter: "phone", value: digits }, card];
  }
  if (/^\d{17}x$/i.test(dense)) return [{ parameter: "identifier", value: dense.toUpperCase() }];
  if (/\d/.test(text)) {
    return [
      { parameter: "identifier", value: text },
      { parameter: "name", value: text },
    ];
  }
  const isEnough = /\p{Script=Han}/u.test(text) || dense.length >= 2;
  return isEnough ? [{ parameter: "name", value: text }] : [];
}
