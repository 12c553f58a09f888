import type { Parameters } from "@qingshan/client";
import { expect, test } from "vitest";
import { given, heldUntil, readAvailability } from "../src/places/reading";
import { linesOf } from "../src/sessions/MonthFigures";
import { later, mondayOf, monthOf, noteOf, readSessions } from "../src/sessions/reading";

test("what departments have is read as it was told, with the moment it was asked", () => {
  const answer: Parameters = {
    resourceType: "Parameters",
    parameter: [
      { name: "as-of", valueInstant: "2026-05-04T08:00:00+08:00" },
      {
        name: "department",
        part: [
          { name: "service", valueReference: { reference: "HealthcareService/c", display: "心内科" } },
          { name: "institution", valueReference: { reference: "Organization/h", display: "一院" } },
          { name: "pool-today", valueInteger: 2 },
          {
            name: "slot",
            part: [
              { name: "slot", valueReference: { reference: "Slot/1" } },
              { name: "start", valueInstant: "2026-05-05T08:30:00+08:00" },
              { name: "pool", valueBoolean: true },
            ],
          },
        ],
      },
    ],
  };
  const { asOf, departments } = readAvailability(answer);
  expect(asOf).toBe("2026-05-04T08:00:00+08:00");
  expect(departments[0]).toMatchObject({ name: "心内科", poolToday: 2, beds: undefined, slots: [{ slot: "Slot/1", isPooled: true }] });
});

test("what is told to an operation is of the kind it takes, and what is empty is left out", () => {
  expect(given({ slot: "Slot/1", reason: "Slot/1", minutes: 20, pool: false, note: "" }).parameter).toEqual([
    { name: "slot", valueReference: { reference: "Slot/1" } },
    { name: "reason", valueString: "Slot/1" },
    { name: "minutes", valueInteger: 20 },
    { name: "pool", valueBoolean: false },
  ]);
});

test("only what is not booked yet ends by itself", () => {
  const extension = [{ url: "https://qingshan.dev/fhir/StructureDefinition/hold-until", valueDateTime: "2026-05-04T00:10:00Z" }];
  expect(heldUntil({ resourceType: "Appointment", status: "pending", participant: [], extension })).toBe(Date.parse("2026-05-04T00:10:00Z"));
  expect(heldUntil({ resourceType: "Appointment", status: "booked", participant: [], extension })).toBeUndefined();
});

test("weeks begin on Monday and months on their first, in Shanghai", () => {
  expect(mondayOf("2026-11-22")).toBe("2026-11-16");
  expect(mondayOf("2026-11-23")).toBe("2026-11-23");
  expect(later("2026-12-31", 1)).toBe("2027-01-01");
  expect([monthOf("2026-12-09"), monthOf("2026-12-09", 1), monthOf("2026-01-31", -1)]).toEqual(["2026-12-01", "2027-01-01", "2025-12-01"]);
});

const session = (id: string, place: string, expert: string, seen: number, active = true) => ({
  name: "session",
  part: [
    { name: "schedule", resource: { resourceType: "Schedule", id, active, comment: "请空腹", _comment: noted } as never },
    { name: "place", valueReference: { reference: `Organization/${place}`, display: place } },
    { name: "expert", valueString: expert },
    { name: "places", valueInteger: 9 },
    { name: "seen", valueInteger: seen },
  ],
});
const noted = {
  extension: [
    {
      url: "http://hl7.org/fhir/StructureDefinition/translation",
      extension: [
        { url: "lang", valueCode: "en" },
        { url: "content", valueString: "Do not eat before" },
      ],
    },
  ],
};

test("a month adds up what took place, each expert counted once", () => {
  const sessions = readSessions({
    resourceType: "Parameters",
    parameter: [session("1", "a", "林", 5), session("2", "a", "林", 3), session("3", "b", "吴", 4), session("4", "b", "吴", 0, false)],
  });
  expect(linesOf(sessions)).toMatchObject([
    { name: "a", sessions: 2, experts: 1, places: 18, seen: 8 },
    { name: "b", sessions: 1, experts: 1, seen: 4 },
  ]);
  const first = sessions[0];
  expect(first && [noteOf(first, "zh-CN"), noteOf(first, "en")]).toEqual(["请空腹", "Do not eat before"]);
});
