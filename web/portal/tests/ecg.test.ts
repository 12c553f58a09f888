import type { Observation, ObservationComponent } from "@qingshan/client";
import { expect, test } from "vitest";
import { fileOf } from "../src/ecg/file";
import { factorAt } from "../src/ecg/ruler";
import { isFlat, layout, lineOf, measure, tracingOf, type Lead } from "../src/ecg/tracing";

const MDC = "urn:oid:2.16.840.1.113883.6.24";
const sampled = (number: number, data: string, unit = "uV", factor = 1): ObservationComponent => ({
  code: { coding: [{ system: MDC, code: String(131_328 + number) }] },
  valueSampledData: { origin: { value: 0, code: unit }, period: 2, factor, dimensions: 1, data },
});
const recorded = (effectiveDateTime: string, component: ObservationComponent[]): Observation => ({ resourceType: "Observation", status: "final", code: {}, effectiveDateTime, component });
const seconds = (count: number) => Array.from({ length: count * 500 }, (_, at) => String(at % 7)).join(" ");

test("samples are told in millivolts, whatever unit the file has", () => {
  const tracing = tracingOf([recorded("2026-11-22T15:30:00+08:00", [sampled(1, "100 -200 E 50", "uV", 5), sampled(2, "1", "mV")])]);
  expect(tracing?.leads.get("I")?.samples).toEqual([0.5, -1, undefined, 0.25]);
  expect(tracing?.leads.get("II")?.samples).toEqual([1]);
  expect(tracing?.began).toBe(Date.parse("2026-11-22T07:30:00Z"));
});

test("a lead is missing, off or unreadable, and each is told apart", () => {
  const off: ObservationComponent = { code: { coding: [{ system: MDC, code: String(131_328 + 63) }], text: "aVL" }, dataAbsentReason: { coding: [{ code: "not-performed" }] } };
  const tracing = tracingOf([recorded("2026-11-22T15:30:00Z", [off, sampled(3, "1 x"), sampled(4, "E E"), sampled(1, "1 2")])]);
  const absent = (name: string) => tracing?.leads.get(name)?.absent;
  expect([absent("aVL"), absent("V1"), absent("V2"), absent("I"), absent("V6")]).toEqual(["off", "unreadable", "off", undefined, undefined]);
  expect(tracing?.leads.has("V6")).toBe(false);
});

test("the twelve leads have their places, each column later than the one before, and the rhythm strip runs below", () => {
  const all = [1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7].map((number) => sampled(number, seconds(10)));
  const tracing = tracingOf([recorded("2026-11-22T15:30:00Z", all)]);
  if (tracing === undefined) throw new Error("it is a tracing");
  const { pieces, rows, span } = layout(tracing, 0);
  expect([rows, span, pieces.length]).toEqual([4, 10_000, 13]);
  const place = (name: string) => pieces.filter((piece) => piece.name === name).map(({ row, column, from, to }) => [row, column, from, to]);
  expect(place("aVF")).toEqual([[2, 1, 2_500, 5_000]]);
  expect(place("II")).toEqual([[1, 0, 0, 2_500], [3, 0, 0, 10_000]]);
  // It is not in the file, and its place stays.
  expect(pieces.find(({ name }) => name === "V6")?.lead).toBeUndefined();
});

test("leads that were recorded one after another are drawn from their own time", () => {
  const tracing = tracingOf([
    recorded("2026-11-22T15:30:00Z", [sampled(1, seconds(2)), sampled(2, seconds(2))]),
    recorded("2026-11-22T15:30:05Z", [sampled(3, seconds(2))]),
  ]);
  const piece = layout(tracing as never, 0).pieces.find(({ name }) => name === "V1");
  expect([piece?.lead?.from, piece?.from]).toEqual([5_000, 5_000]);
});

test("a millivolt is ten millimetres high and a second twenty-five wide, and the line is broken where nothing was measured", () => {
  const lead: Lead = { name: "I", from: 0, period: 1_000, samples: [0, 1, undefined, -0.5] };
  expect(lineOf(lead, 0, 3_000, 25, 10)).toBe("M0.000 0.000L25.000 -10.000M75.000 5.000");
  expect(lineOf(lead, 0, 3_000, 50, 20)).toBe("M0.000 0.000L50.000 -20.000M150.000 10.000");
});

test("the caliper tells milliseconds, millivolts and a rate a heart can have", () => {
  expect(measure(25, 10, 25, 10)).toEqual({ time: 1_000, voltage: 1, rate: 60 });
  expect(measure(1, 0, 25, 10).rate).toBeUndefined();
});

test("one value all along is a flat line", () => {
  const lead = (samples: number[]): Lead => ({ name: "I", from: 0, period: 2, samples });
  expect([isFlat(lead([0, 0, 0])), isFlat(lead([0, 1])), isFlat(lead([3]))]).toEqual([true, false, false]);
});

test("a page that is enlarged twice needs half of its millimetres", () => {
  expect(factorAt({ factor: 1.2, dots: 1 }, 2)).toBe(0.6);
});

test("a file that is one of DICOM is sent as what it is, whatever it is called", () => {
  const bytes = (letters: string) => Buffer.concat([Buffer.alloc(128), Buffer.from(letters), Buffer.alloc(60)]).toString("base64");
  const kind = (data: string, type = "") => (fileOf({ name: "IM0001", type, data }).parameter?.[0] as { valueAttachment: { contentType: string } }).valueAttachment.contentType;
  expect(kind(bytes("DICM"))).toBe("application/dicom");
  expect(kind(bytes("MCID"))).toBe("application/xml");
  expect(kind(Buffer.from("<AnnotatedECG/>").toString("base64"))).toBe("application/xml");
  expect(kind("?")).toBe("application/xml");
  expect(kind(bytes("DICM"), "text/xml")).toBe("text/xml");
});
