import type { Bundle } from "@qingshan/client";
import { expect, test } from "vitest";
import { skewAt, sourceOf, sourcesOf } from "../src/sources/sources";

const measured = (device: string, at: string, ahead: number, code: string) => ({
  resource: {
    resourceType: "Observation",
    status: "final",
    code: { coding: [{ code: "clock-skew" }] },
    subject: { reference: `Device/${device}` },
    effectiveDateTime: at,
    valueQuantity: { value: ahead, unit: "s" },
    interpretation: [{ coding: [{ code }] }],
    referenceRange: [{ low: { value: -1 }, high: { value: 1 } }],
  },
});
const device = (id: string, client: string, name: string) => ({
  resource: { resourceType: "Device", id, identifier: [{ system: "https://qingshan.dev/fhir/sid/client", value: client }], deviceName: [{ name, type: "user-friendly-name" }] },
});
const bundle = {
  resourceType: "Bundle",
  type: "searchset",
  entry: [
    measured("1", "2026-11-22T10:00:00Z", 420, "H"),
    measured("1", "2026-11-22T11:00:00Z", 0.2, "N"),
    measured("2", "2026-11-22T11:00:00Z", -5, "L"),
    device("1", "lis", "检验系统"),
    device("2", "pacs", "影像系统"),
  ],
} as unknown as Bundle;

test("sources that are off stand first, and each keeps what was measured", () => {
  const sources = sourcesOf(bundle);
  expect(sources.map(({ name, measured }) => [name, measured.length, measured[0]?.ahead])).toEqual([
    ["影像系统", 1, -5_000],
    ["检验系统", 2, 200],
  ]);
});

test("a time is told to come from a clock that was off when it was written, also once the clock is right again", () => {
  const sources = sourcesOf(bundle);
  const lis = sourceOf(sources, "client/lis");
  if (lis === undefined) throw new Error("it is a source");
  expect(skewAt(lis, Date.parse("2026-11-22T10:30:00Z"))?.ahead).toBe(420_000);
  expect(skewAt(lis, Date.parse("2026-11-22T11:30:00Z"))).toBeUndefined();
  expect(skewAt(lis, Date.parse("2026-11-22T09:00:00Z"))?.ahead).toBe(420_000);
  expect(sourceOf(sources, "Device/2")?.name).toBe("影像系统");
  expect(sourceOf(sources, "Practitioner/1")).toBeUndefined();
  expect(sourceOf(sources, undefined)).toBeUndefined();
});
