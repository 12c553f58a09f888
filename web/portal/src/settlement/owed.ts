import type { CodeableConcept, Identifier, Resource, RunView, When } from "@qingshan/client";
import type { Texts } from "../language";
import { csvField } from "../protocols/figures";
import { standing } from "../runs/graph";

/** The protocol by which what was treated first is paid later. */
export const SETTLEMENT = "settlement";

/** The ages bills are told apart by, each by the days from which on it is one; before the first nothing can be billed yet. */
export const AGES = [
  { code: "accruing", from: Number.NEGATIVE_INFINITY },
  { code: "0", from: 0 },
  { code: "31", from: 31 },
  { code: "61", from: 61 },
  { code: "91", from: 91 },
] as const;
export type Age = (typeof AGES)[number]["code"];

/** What somebody owes for what was done first. */
export interface Owed {
  run: RunView;
  /** Days since it could be settled; nothing while they are still being treated. */
  days: number | undefined;
  age: Age;
  /** What was billed and what was paid of it, in CNY; nothing where no bill was written, or it may not be read. */
  billed: number | undefined;
  paid: number | undefined;
}

const DAY = 86_400_000;

/** The identifiers by which the charges of a settlement are known: the id of its run. */
export const SETTLED_BY = "https://qingshan.dev/fhir/sid/settlement";

/** A bill, or what was paid of one, which is below zero. <http://hl7.org/fhir/R4/chargeitem.html> */
export interface Charge extends Resource {
  identifier?: Identifier[];
  status?: string;
  enteredDate?: When;
  code?: CodeableConcept;
  priceOverride?: { value?: number };
}

/** What a charge is: a bill, or a part that was paid. */
const CHARGE = "https://qingshan.dev/fhir/CodeSystem/settlement-charge";

const isOf = ({ identifier = [], status }: Charge, run: string) =>
  status !== "aborted" && status !== "entered-in-error" && identifier.some(({ system, value }) => system === SETTLED_BY && value === run);
const is = ({ code }: Charge, what: "bill" | "paid") => code?.coding?.some(({ system, code: one }) => system === CHARGE && one === what) === true;

/** What is owed in a run at a moment, by its bills and what was paid of them, as far as they may be read. */
export function owedIn(run: RunView, charges: readonly Charge[], now: number): Owed {
  const stable = standing(run, "stable")?.at;
  const days = stable === undefined ? undefined : Math.max(0, Math.floor((now - Date.parse(stable)) / DAY));
  const age = days === undefined ? "accruing" : (AGES.findLast(({ from }) => days >= from)?.code ?? "0");
  const own = charges.filter((charge) => isOf(charge, run.id) && charge.priceOverride?.value !== undefined);
  // A bill that was written anew takes the place of the one before; parts that were paid add up.
  const bills = own.filter((charge) => is(charge, "bill")).sort((one, other) => Date.parse(one.enteredDate ?? "") - Date.parse(other.enteredDate ?? ""));
  const parts = own.filter((charge) => is(charge, "paid")).map(({ priceOverride }) => -(priceOverride?.value ?? 0));
  return { run, days, age, billed: bills.at(-1)?.priceOverride?.value, paid: parts.length === 0 ? undefined : parts.reduce((total, one) => total + one, 0) };
}

/** What is left to be paid; nothing while nobody knows how much was billed. */
export const leftOf = ({ billed, paid }: Pick<Owed, "billed" | "paid">): number | undefined => (billed === undefined ? undefined : Math.max(0, billed - (paid ?? 0)));

/** How many there are of each age and what they come to, with how many of them no sum is known for. */
export function byAge(all: readonly Owed[]): { age: Age; count: number; left: number; unknown: number }[] {
  return AGES.map(({ code }) => {
    const own = all.filter(({ age }) => age === code);
    const sums = own.flatMap((one) => leftOf(one) ?? []);
    return { age: code, count: own.length, left: sums.reduce((total, one) => total + one, 0), unknown: own.length - sums.length };
  });
}

/** The oldest first; who is still being treated last, in the order in which they came. */
export const oldestFirst = (all: readonly Owed[]): Owed[] =>
  [...all].sort((one, other) => (other.days ?? -1) - (one.days ?? -1) || Date.parse(one.run.began) - Date.parse(other.run.began));

/** Money as it is written on bills. */
export const money = (amount: number): string => amount.toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** The list as a spreadsheet reads it. */
export function owedCsv({ t, known }: Pick<Texts, "t" | "known">, all: readonly Owed[], nameOf: (run: RunView) => string): string {
  const head = (["patient", "began", "days", "age", "billed", "paid", "left"] as const).map((column) => t(`owed.column.${column}`));
  const lines = all.map((one) => [
    nameOf(one.run),
    one.run.began.slice(0, 10),
    String(one.days ?? ""),
    known("owed.age", one.age) ?? one.age,
    String(one.billed ?? ""),
    String(one.paid ?? ""),
    String(leftOf(one) ?? ""),
  ]);
  return `\uFEFF${[head, ...lines].map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`;
}
