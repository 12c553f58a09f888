import { expect, test } from "vitest";
import { fitting } from "../src/fitting";

const five = { screens: [100, 60, 60, 80, 120], more: 70, gap: 4 };

test("where all screens fit there is no way to the rest", () => {
  expect(fitting(five, 436)).toBe(5);
  expect(fitting(five, 2_000)).toBe(5);
});

test("what does not fit makes room for the way to it, in the order of the screens", () => {
  expect(fitting(five, 435)).toBe(4);
  expect(fitting(five, 385)).toBe(3);
  expect(fitting(five, 301)).toBe(2);
});

test("one screen always stands in the line, and somebody without screens has none", () => {
  expect(fitting(five, 10)).toBe(1);
  expect(fitting({ screens: [120], more: 70, gap: 4 }, 120)).toBe(1);
  expect(fitting({ screens: [], more: 70, gap: 4 }, 120)).toBe(0);
});
