import type { HumanName, Identifier, Patient } from "@qingshan/client";
import type { Key } from "../language";
import { RESIDENT_ID } from "./residentId";

const CHINESE = /\p{Script=Han}/u;

/** Which of several names a person goes by: the official one before others, a former one last. */
function preferred(names: readonly HumanName[]): HumanName | undefined {
  const order = ["official", "usual", undefined, "temp", "nickname", "anonymous", "maiden", "old"];
  return [...names].sort((left, right) => order.indexOf(left.use) - order.indexOf(right.use))[0];
}

/** The name a person goes by, in its own script and order; nothing when none is known. */
export function nameOf(patient: Pick<Patient, "name">): string | undefined {
  const name = preferred(patient.name ?? []);
  if (name === undefined) return undefined;
  if (name.text) return name.text;
  const given = name.given ?? [];
  const family = name.family ?? "";
  const isChinese = CHINESE.test(family + given.join(""));
  const parts = isChinese ? [family, ...given] : [...given, family];
  return parts.filter(Boolean).join(isChinese ? "" : " ") || undefined;
}

/** The number on a person's identity card, if it is known. */
export function residentIdOf(patient: Pick<Patient, "identifier">): string | undefined {
  return patient.identifier?.find((identifier) => identifier.system === RESIDENT_ID)?.value;
}

const NUMBERS: Readonly<Record<string, Key>> = {
  [RESIDENT_ID]: "patient.residentId",
  "https://qingshan.example/id/health-card": "patient.healthCard",
};

/** What a number is called: by the catalogue where the system is known, else as whoever gave it called it. */
export function kindOf({ system, type }: Identifier): { key: Key } | { text: string } {
  const key = NUMBERS[system ?? ""];
  if (key !== undefined) return { key };
  const text = type?.text ?? type?.coding?.find((coding) => coding.display)?.display;
  return text === undefined ? { key: "patient.number" } : { text };
}

/** The numbers that still hold, the identity card's first. */
export function identifiersOf(patient: Pick<Patient, "identifier">): Identifier[] {
  // What a program gave a form it sent, so as to send it once, is no number that people know.
  const known = (patient.identifier ?? []).filter((identifier) => identifier.system !== "urn:ietf:rfc:3986");
  const valid = known.filter((identifier) => identifier.value && identifier.use !== "old");
  return valid.sort((left, right) => Number(right.system === RESIDENT_ID) - Number(left.system === RESIDENT_ID));
}

/**
 * A number as it is shown where it need not be read off. Of an identity card the region and the last four digits stay:
 * enough to compare with the card in somebody's hand, too little to use it.
 */
export function masked({ system, value = "" }: Identifier): string {
  return system === RESIDENT_ID && value.length > 10 ? `${value.slice(0, 6)}********${value.slice(-4)}` : value;
}

/** A telephone number, if one is known. */
export function phoneOf(patient: Pick<Patient, "telecom">): string | undefined {
  const point = patient.telecom?.find((entry) => (entry.system === "phone" || entry.system === "sms") && entry.value);
  return point?.value;
}
