import type { RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { byAge, leftOf, money, oldestFirst, owedIn, SETTLED_BY, type Charge } from "../src/settlement/owed";

const now = Date.parse("2026-11-22T00:00:00Z");
const DAY = 86_400_000;

/** A bill of somebody who could settle it so many days ago. */
const run = (id: string, days: number | undefined) =>
  ({
    id,
    began: new Date(now - 200 * DAY).toISOString(),
    milestones: days === undefined ? [] : [{ code: "stable", at: new Date(now - days * DAY).toISOString(), n: 1 }],
    steps: [],
  }) as unknown as RunView;

const charge = (run: string, code: string, value: number, enteredDate: string): Charge => ({
  resourceType: "ChargeItem",
  identifier: [{ system: SETTLED_BY, value: run }],
  status: "billed",
  code: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/settlement-charge", code }] },
  enteredDate,
  priceOverride: { value },
});
const bill = (run: string, value: number, at = "2026-11-01T08:00:00+08:00") => charge(run, "bill", value, at);
const part = (run: string, value: number) => charge(run, "paid", -value, "2026-11-02T08:00:00+08:00");

test("a bill ages from the day on which it could be settled, and not while somebody is still treated", () => {
  const ageOf = (days: number | undefined) => owedIn(run("r", days), [], now).age;
  expect([undefined, 0, 30, 31, 60, 61, 90, 91, 400].map(ageOf)).toEqual(["accruing", "0", "0", "31", "31", "61", "61", "91", "91"]);
});

test("a new bill takes the place of the old one, parts that were paid add up, and a sum that nobody knows is none", () => {
  const papers = [bill("r", 8_000, "2026-11-03T08:00:00+08:00"), bill("r", 9_000), part("r", 1_000), part("r", 500.5), part("other", 7), { ...bill("r", 1, "2026-11-09T08:00:00+08:00"), status: "aborted" }];
  expect(leftOf(owedIn(run("r", 3), papers, now))).toBe(6_499.5);
  expect(leftOf(owedIn(run("r", 3), [part("r", 1_000)], now))).toBeUndefined();
  expect(leftOf(owedIn(run("r", 3), [bill("r", 10), part("r", 20)], now))).toBe(0);
});

test("the oldest stands first, and a sum over bills says how many it does not know", () => {
  const all = [owedIn(run("new", 2), [bill("new", 100)], now), owedIn(run("treated", undefined), [], now), owedIn(run("old", 120), [bill("old", 1_234_567.8)], now), owedIn(run("unbilled", 2), [], now)];
  expect(oldestFirst(all).map((one) => one.run.id)).toEqual(["old", "new", "unbilled", "treated"]);
  expect(byAge(all).find(({ age }) => age === "0")).toEqual({ age: "0", count: 2, left: 100, unknown: 1 });
  expect(money(1_234_567.8)).toBe("1,234,567.80");
});
