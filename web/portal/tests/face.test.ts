import type { Patient, Protocol, RunClock, RunView } from "@qingshan/client";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Router } from "wouter";
import { casesOf, placeOf, type Road } from "../src/board/board";
import { BoardRow } from "../src/board/BoardRow";
import { faceOf } from "../src/board/face";
import { Language, type Loaded } from "../src/language";
import strings from "../src/strings/zh-CN.json";

const BEGUN = Date.UTC(2026, 10, 22, 3);
const at = (minute: number) => new Date(BEGUN + minute * 60_000).toISOString();
const words = (zh: string) => ({ zh });
const told = (code: string, minute: number) => ({ code, title: words(code), n: 1, at: at(minute), recorded: at(minute) });
const clock = (code: string, rest: Partial<RunClock>): RunClock => ({ code, title: words(code), n: 1, from: "door", to: ["end"], began: at(0), level: "running", ...rest });

/** A run with a step that has waited since its beginning. */
const run = (rest: Partial<RunView>): RunView => ({
  id: "a",
  protocol: { code: "rush", version: "1", title: words("rush") },
  patient: { reference: "Patient/a" },
  chain: "a",
  began: at(0),
  now: at(0),
  milestones: [],
  steps: [{ code: "scan", title: words("scan"), n: 1, task: "scan", state: "ready", since: at(0.3), requires: [], missing: [], outcomes: [], may: false }],
  clocks: [],
  summary: [],
  blocking: ["scan"],
  ...rest,
});

const patient: Patient = { resourceType: "Patient", id: "a", birthDate: "1950-01-01" };
const protocols = new Map<string, Protocol>();
const first = { locale: "zh-CN", strings, components: {} } as Loaded;

function drawn(view: RunView, road: Road | undefined, isWall: boolean, now: number): string {
  const [one] = casesOf([{ run: view, patient, readAt: BEGUN }]);
  if (one === undefined) throw new Error("a run is a case");
  const row = createElement(BoardRow, { one, protocols, road, isCrewed: true, troubles: [], now, isWall, isStale: false, asOf: now });
  const children = () => createElement(Router, { ssrPath: "/board", children: row });
  return renderToStaticMarkup(createElement(Language, { first, children }));
}

const rows: [string, RunView, Road | undefined][] = [
  ["on the road", run({ milestones: [told("sent", 0)], summary: [{ code: "eta", title: words("eta"), value: at(4.2) }], clocks: [clock("answer", { target: at(1), warn: at(1.5), breach: at(2) })] }), { position: BEGUN + 20_000 }],
  ["expected by what was observed", run({ milestones: [told("sent", 0)] }), { position: BEGUN, expected: { at: BEGUN + 150_000, said: BEGUN + 1_000 } }],
  ["at the door", run({ milestones: [told("door", 0)], clocks: ["a", "b", "c", "d"].map((code, place) => clock(code, { warn: at(1 + place), breach: at(3 + 2 * place) })) }), undefined],
  ["held", run({ milestones: [told("door", 0)], clocks: [clock("held", { paused: at(1), breach: at(9) }), clock("open", {})] }), undefined],
  ["nowhere known", run({ status: "here", began: at(0.1) }), undefined],
];

test.each(rows)("as long as its face is the same, a row looks the same: %s", (_, view, road) => {
  for (const isWall of [false, true]) {
    const seen = new Map<string, string>();
    // Each second at first, where seconds are shown, and then now and then.
    const moments = [...Array.from({ length: 130 }, (_, second) => second), ...Array.from({ length: 70 }, (_, place) => 130 + place * 17)];
    for (const second of moments) {
      const now = BEGUN + second * 1_000 + 137;
      const face = faceOf([view], placeOf([view], road), road, view.steps[0], isWall ? 2 : 3, now);
      const markup = drawn(view, road, isWall, now);
      expect(seen.get(face) ?? markup, `at second ${second}`).toBe(markup);
      seen.set(face, markup);
    }
  }
}, 60_000);

test("the face of a row at the door changes with its minutes and not with each second", () => {
  const view = run({ milestones: [told("door", 0)], clocks: [clock("a", { warn: at(30), breach: at(60) })] });
  const faces = Array.from({ length: 600 }, (_, second) => faceOf([view], placeOf([view]), undefined, view.steps[0], 3, BEGUN + 600_000 + second * 1_000));
  expect(new Set(faces).size).toBeLessThan(50);
});
