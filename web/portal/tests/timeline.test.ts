import type { Observation, Resource } from "@qingshan/client";
import { expect, test } from "vitest";
import { allergiesOf, entryOf, extend, merge, nextKinds, type Entry, type Read } from "../src/patients/timeline";
import { bloodPressure, newId, readValue, SYSTOLIC, temperature, TEMPERATURE } from "../src/patients/vitals";

const taken = { id: "o1", patient: "p1", at: "2026-03-01T08:05:00+08:00" };

test("a blood pressure is one LOINC panel of two UCUM quantities", () => {
  const it = bloodPressure(taken, 128, 82);
  expect(it.code.coding?.[0]).toMatchObject({ system: "http://loinc.org", code: "85354-9" });
  expect(it.component?.map((part) => [part.code.coding?.[0]?.code, part.valueQuantity?.value, part.valueQuantity?.code])).toEqual(
    [
      ["8480-6", 128, "mm[Hg]"],
      ["8462-4", 82, "mm[Hg]"],
    ],
  );
  expect(it).toMatchObject({ id: "o1", status: "final", subject: { reference: "Patient/p1" }, effectiveDateTime: taken.at });
});

test("a temperature is in degrees Celsius", () => {
  expect(temperature(taken, 36.5).valueQuantity).toEqual({
    value: 36.5,
    unit: "℃",
    system: "http://unitsofmeasure.org",
    code: "Cel",
  });
});

test("a value nobody has is refused, one that few have is asked about", () => {
  expect(readValue(SYSTOLIC, "128")).toEqual({ ok: true, value: 128, isUnusual: false });
  expect(readValue(SYSTOLIC, "230")).toEqual({ ok: true, value: 230, isUnusual: true });
  expect(readValue(SYSTOLIC, "1280")).toEqual({ ok: false, why: "number" });
  expect(readValue(TEMPERATURE, "365")).toEqual({ ok: false, why: "impossible" });
  expect(readValue(TEMPERATURE, "３６。８")).toEqual({ ok: true, value: 36.8, isUnusual: false });
  expect(readValue(TEMPERATURE, "36.85")).toEqual({ ok: false, why: "number" });
});

test("ids for new resources are random UUIDs of version 4", () => {
  const ids = new Set(Array.from({ length: 100 }, newId));
  expect(ids.size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});

test("a blood pressure reads as one value, other groups value by value", () => {
  expect(entryOf(bloodPressure(taken, 128, 82))?.values).toEqual([{ text: "128/82", unit: "mmHg" }]);
  const lab: Observation = {
    resourceType: "Observation",
    status: "final",
    code: { text: "血脂" },
    component: [{ code: { text: "总胆固醇" }, valueQuantity: { value: 5.2, comparator: "<", unit: "mmol/L" } }],
    interpretation: [{ coding: [{ code: "H" }] }],
  };
  expect(entryOf(lab)?.values).toEqual([{ name: { text: "总胆固醇" }, text: "<5.2", unit: "mmol/L", flag: "H" }]);
});

test("only a status worth knowing is told", () => {
  expect(entryOf({ resourceType: "Procedure", status: "completed" } as Resource)?.status).toBeUndefined();
  expect(entryOf({ resourceType: "Procedure", status: "entered-in-error" } as Resource)?.status).toBe("entered-in-error");
});

const visit = (id: string, start?: string, end?: string): Resource =>
  ({ resourceType: "Encounter", id, status: "finished", period: { start, end } }) as Resource;
const read = (next: string | undefined, ...resources: Resource[]): Read =>
  extend(undefined, next === undefined ? { found: resources } : { found: resources, next });
const ids = (entries: Entry[]) => entries.map((entry) => entry.id).join(" ");

test("what goes on still is first, then the newest, and what has no date is last", () => {
  const all = read(
    undefined,
    visit("old", "2019", "2019"),
    visit("undated"),
    visit("now", "2026-01-01"),
    visit("day", "2026-02-01", "2026-02-01"),
  );
  expect(ids(merge([all]).entries)).toBe("now day old undated");
});

test("a timeline stops where the first unfinished kind stops, and reads that one on", () => {
  const visits = read("visits?2", visit("v3", "2026-03-01", "2026-03-01"), visit("v2", "2026-02-01", "2026-02-01"));
  const others = read("others?2", visit("o5", "2026-02-20", "2026-02-20"), visit("o1", "2020-01-01", "2020-01-01"));
  const merged = merge([visits, others]);
  expect(ids(merged.entries)).toBe("v3 o5 v2");
  expect(merged.hasMore).toBe(true);
  expect(nextKinds({ visits, others })).toEqual(["visits"]);
  const more = extend(visits, { found: [visit("v1", "2021-01-01", "2021-01-01")] });
  expect(ids(merge([more, others]).entries)).toBe("v3 o5 v2 v1 o1");
});

test("an entry that moved to the next page while others wrote is shown once", () => {
  const first = read("2", visit("a", "2026-01-02", "2026-01-02"), visit("b", "2026-01-01", "2026-01-01"));
  const both = extend(first, { found: [visit("b", "2026-01-01", "2026-01-01"), visit("c", "2025-01-01", "2025-01-01")] });
  expect(ids(merge([both]).entries)).toBe("a b c");
});

test("allergies that were resolved are left out and dangerous ones come first", () => {
  const allergy = (text: string, criticality: string, code?: string) =>
    ({
      resourceType: "AllergyIntolerance",
      code: { text },
      criticality,
      ...(code && { clinicalStatus: { coding: [{ code }] } }),
    }) as unknown as Resource;
  const found = allergiesOf([allergy("花粉", "low", "active"), allergy("头孢", "high", "resolved"), allergy("青霉素", "high")]);
  expect(found).toEqual([
    { what: { text: "青霉素" }, isHigh: true },
    { what: { text: "花粉" }, isHigh: false },
  ]);
});
