import { expect, test } from "vitest";
import { age, bounds, dayAt, minuteAt, readDay, readMinute, showDate, showTime, since } from "../src/calendar";

const noon = Date.parse("2026-03-01T12:00:00+08:00");

test("times are shown on the clock of Shanghai, wherever the browser is", () => {
  expect(dayAt(Date.parse("2026-02-28T16:00:00Z"))).toBe("2026-03-01");
  expect(minuteAt(Date.parse("2026-02-28T16:05:00Z"))).toBe("2026-03-01 00:05");
  expect(showDate("2026-02-28T16:00:00Z", "zh-CN")).toBe("2026-03-01");
  expect(showTime("2026-02-28T16:00:00Z")).toBe("00:00");
});

test("a date without a time stays the day it is", () => {
  expect(showDate("2026-03-01", "en")).toBe("2026-03-01");
  expect(showTime("2026-03-01")).toBeUndefined();
  expect(showDate("2026-03", "zh-CN")).toBe("2026年3月");
  expect(showDate("2026", "zh-CN")).toBe("2026年");
});

test("a date means all of its day, month or year", () => {
  const span = (when: string) => {
    const found = bounds(when);
    return found && [minuteAt(found.from), minuteAt(found.to)];
  };
  expect(span("2026-03-01")).toEqual(["2026-03-01 00:00", "2026-03-01 23:59"]);
  expect(span("2024-02")).toEqual(["2024-02-01 00:00", "2024-02-29 23:59"]);
  expect(span("2025")).toEqual(["2025-01-01 00:00", "2025-12-31 23:59"]);
  expect(span("soon")).toBeUndefined();
});

test("ages are told in days, months and years, and turn on the birthday", () => {
  expect(age("2026-02-27", noon)).toEqual({ count: 2, unit: "day" });
  expect(age("2026-01-30", noon)).toEqual({ count: 1, unit: "month" });
  expect(age("2023-03-02", noon)).toEqual({ count: 35, unit: "month" });
  expect(age("2023-03-01", noon)).toEqual({ count: 3, unit: "year" });
  expect(age("1980-03-02", noon)).toEqual({ count: 45, unit: "year" });
  expect(age("1980-03-01", noon)).toEqual({ count: 46, unit: "year" });
  expect(age("1980", noon)).toEqual({ count: 46, unit: "year" });
});

test("an age that is not known is not made up", () => {
  expect(age(undefined, noon)).toBeUndefined();
  expect(age("2026-03-02", noon)).toBeUndefined();
  expect(age("2025", noon)).toBeUndefined();
});

test("days are read as people type them, and days that are not are refused", () => {
  for (const typed of ["19800105", "1980-1-5", "1980/01/05", "1980年1月5日", "１９８００１０５"]) {
    expect(readDay(typed), typed).toBe("1980-01-05");
  }
  for (const typed of ["1980", "19800230", "800105", "1980-13-01", ""]) expect(readDay(typed), typed).toBeUndefined();
});

test("minutes are read as Shanghai's", () => {
  expect(readMinute("2026-03-01 8:05")).toBe("2026-03-01T08:05:00+08:00");
  expect(readMinute("20260301 23：59")).toBe("2026-03-01T23:59:00+08:00");
  expect(readMinute("2026-03-01 24:00")).toBeUndefined();
  expect(readMinute("2026-03-01")).toBeUndefined();
});

test("how long ago is told in one unit", () => {
  expect(since(noon - 59_000, noon)).toEqual({ count: 59, unit: "second" });
  expect(since(noon - 61_000, noon)).toEqual({ count: 1, unit: "minute" });
  expect(since(noon - 7_200_000, noon)).toEqual({ count: 2, unit: "hour" });
  expect(since(noon + 5_000, noon)).toEqual({ count: 0, unit: "second" });
});
