import type { Protocol, RunMilestone, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { graphOf, latest, occurrences, standing } from "../src/runs/graph";
import { draw, usual, type Box, type Line } from "../src/runs/layout";

const box = (id: string, lane = 0, ...ports: string[]): Box => ({ id, lane, ports });
const line = (from: string, to: string, port = "p"): Line => ({ from, to, port });
const rowOf = (drawing: ReturnType<typeof draw>, id: string) => drawing.boxes.find((one) => one.id === id)?.row;

test("what follows stands below all that leads to it", () => {
  const boxes = [box("close"), box("review"), box("bed"), box("team", 1)];
  const lines = [line("review", "bed"), line("review", "team"), line("bed", "close"), line("team", "close"), line("review", "close")];
  const drawing = draw(boxes, lines, 2);
  expect(["review", "bed", "team", "close"].map((id) => rowOf(drawing, id))).toEqual([0, 1, 1, 2]);
});

test("no two boxes overlap, and each stands in its lane", () => {
  const boxes = [box("a", 0, "p", "q"), box("b", 0), box("c", 0), box("d", 1), box("e", 1), box("f", 0)];
  const lines = ["b", "c", "d", "e"].map((to) => line("a", to)).concat(line("d", "f"), line("b", "f"));
  const drawing = draw(boxes, lines, 2);
  const heights = new Map(boxes.map((one) => [one.id, usual.height + one.ports.length * usual.port]));
  for (const one of drawing.boxes) {
    const lane = drawing.lanes[boxes.find((other) => other.id === one.id)?.lane ?? 0];
    expect(one.x).toBeGreaterThanOrEqual(lane?.x ?? Number.NaN);
    expect(one.x + usual.width).toBeLessThanOrEqual((lane?.x ?? 0) + (lane?.width ?? Number.NaN));
    expect(one.y + (heights.get(one.id) ?? 0)).toBeLessThanOrEqual(drawing.height);
    for (const other of drawing.boxes) {
      if (one.id >= other.id) continue;
      const isApartX = one.x + usual.width <= other.x || other.x + usual.width <= one.x;
      const isApartY = one.y + (heights.get(one.id) ?? 0) <= other.y || other.y + (heights.get(other.id) ?? 0) <= one.y;
      expect(isApartX || isApartY, `${one.id} ${other.id}`).toBe(true);
    }
  }
});

test("no line runs behind a box", () => {
  const boxes = [box("a", 0, "p"), box("b", 0, "p"), box("c", 0, "p"), box("d", 1, "p"), box("e", 1)];
  const lines = [line("a", "b"), line("b", "c"), line("a", "d"), line("c", "e"), line("a", "e"), line("d", "e"), line("a", "c")];
  const drawing = draw(boxes, lines, 2);
  for (const [index, { path }] of drawing.lines.entries()) {
    const [startX, startY, alongX, acrossY, endX] = (path.match(/[\d.]+/g) ?? []).map(Number) as [number, number, number, number, number];
    for (const one of drawing.boxes) {
      const bottom = one.y + usual.height + (boxes.find((other) => other.id === one.id)?.ports.length ?? 0) * usual.port;
      const isInX = alongX > one.x && alongX < one.x + usual.width;
      const isInY = Math.max(startY, acrossY) > one.y && Math.min(startY, acrossY) < bottom;
      expect(isInX && isInY, `${path} down behind ${one.id}`).toBe(false);
      const isAcross = acrossY > one.y && acrossY < bottom && Math.max(alongX, endX) > one.x && Math.min(alongX, endX) < one.x + usual.width;
      expect(isAcross, `${path} across ${one.id}`).toBe(false);
    }
    const from = drawing.boxes.find((one) => one.id === lines[index]?.from);
    expect(startX).toBe((from?.x ?? 0) + usual.width);
  }
});

test("a circle is drawn all the same, and the line that closes it is told apart", () => {
  const drawing = draw([box("ask"), box("answer")], [line("ask", "answer"), line("answer", "ask")], 1);
  expect(drawing.lines.map(({ isBack }) => isBack)).toEqual([false, true]);
  expect(drawing.height).toBeLessThan(1000);
});

test("nothing at all and lines that lead nowhere are drawn as nothing", () => {
  expect(draw([], [], 1).boxes).toEqual([]);
  expect(draw([box("a")], [line("a", "gone"), line("a", "a")], 1).lines.map(({ path }) => path)).toEqual(["", ""]);
});

const title = { zh: "甲", en: "A" };
const protocol: Protocol = {
  code: "referral",
  version: "1",
  title,
  role: [
    { code: "referrer", title, party: "institution" },
    { code: "receiver", title, party: "institution" },
    { code: "chief", title, party: "institution" },
  ],
  start: [{ by: "hand", reach: ["submitted"] }],
  milestone: ["submitted", "accepted", "arrived", "closed"].map((code) => ({ code, title, ...(code === "arrived" && { fact: { on: "Encounter" }, after: ["accepted"] }) })),
  step: [
    { code: "review", title, who: "receiver", requires: ["submitted"], outcome: [{ code: "accept", title, reach: ["accepted"] }] },
    { code: "bed", title, who: "receiver", requires: ["accepted"], classes: ["emergency"] },
    { code: "close", title, who: "referrer", requires: ["arrived|accepted"], reach: ["closed"] },
  ],
};

test("a milestone that no step reaches stands as an event of its own, below what it comes after", () => {
  const { boxes, lines, lanes, drawing } = graphOf(protocol);
  expect(boxes.filter((one) => one.step === undefined).map(({ id }) => id)).toEqual(["begin ", "milestone arrived"]);
  expect(lanes.map(({ code }) => code)).toEqual(["referrer", "receiver"]);
  expect(lines).toContainEqual({ from: "begin ", port: "submitted", to: "review", isOneOf: false });
  expect(lines).toContainEqual({ from: "review", port: "accepted", to: "close", isOneOf: true });
  expect(rowOf(drawing, "milestone arrived")).toBeGreaterThan(rowOf(drawing, "review") ?? Number.NaN);
  expect(rowOf(drawing, "close")).toBeGreaterThan(rowOf(drawing, "milestone arrived") ?? Number.NaN);
});

test("a step of other classes is left out of the drawing of a run", () => {
  expect(graphOf(protocol, { class: "routine" }).boxes.map(({ id }) => id)).not.toContain("bed");
  expect(graphOf(protocol, { class: "emergency" }).boxes.map(({ id }) => id)).toContain("bed");
});

test("what can never come about after such a beginning is left out, and all that only follows from it", () => {
  const down = { code: "return", title, who: "receiver", requires: ["down"], reach: ["returned"] };
  const contact = { code: "contact", title, who: "receiver", requires: ["returned"] };
  const milestone = [...(protocol.milestone ?? []), { code: "down", title }, { code: "returned", title }];
  const start = [{ by: "hand" as const, reach: ["submitted"] }, { by: "hand" as const, reach: ["submitted", "down"] }];
  const both = { ...protocol, start, milestone, step: [...(protocol.step ?? []), down, contact] };
  const ids = (begun?: string[]) => graphOf(both, { begun }).boxes.map(({ id }) => id);
  expect(ids()).toEqual(expect.arrayContaining(["return", "contact"]));
  expect(ids(["submitted", "down"])).toEqual(expect.arrayContaining(["return", "contact"]));
  expect(ids(["submitted"])).not.toEqual(expect.arrayContaining(["return"]));
  expect(ids(["submitted"])).not.toEqual(expect.arrayContaining(["contact"]));
});

test("what the platform does stands in the lane of whoever's doing leads to it", () => {
  const role = [...(protocol.role ?? []), { code: "platform", title, party: "system" as const }];
  const finish = { code: "finish", title, who: "platform", requires: ["submitted", "closed"], automatic: true };
  const { boxes, lanes } = graphOf({ ...protocol, role, step: [...(protocol.step ?? []), finish] });
  expect(lanes.map(({ code }) => code)).toEqual(["referrer", "receiver"]);
  expect(boxes.find(({ id }) => id === "finish")?.lane).toBe(0);
});

test("a lane is never wider than two boxes, and one where there are many lanes", () => {
  const boxes = [box("a"), ...["b", "c", "d", "e"].map((id) => box(id)), box("f")];
  const lines = ["b", "c", "d", "e"].flatMap((id) => [line("a", id), line(id, "f")]);
  const widest = (lanes: number) => {
    const drawing = draw(boxes, lines, lanes);
    expect(rowOf(drawing, "f")).toBe(Math.max(...drawing.boxes.map(({ row }) => row)));
    return Math.max(...drawing.boxes.map(({ row }) => drawing.boxes.filter((one) => one.row === row).length));
  };
  expect(widest(2)).toBe(2);
  expect(widest(5)).toBe(1);
});

const reached = (code: string, n: number, at: string, recorded: string, rest: Partial<RunMilestone> = {}): RunMilestone => ({
  code,
  title,
  n,
  at: `2026-11-22T${at}:00Z`,
  recorded: `2026-11-22T${recorded}:00Z`,
  ...rest,
});
const run = {
  milestones: [
    reached("accepted", 1, "09:00", "09:00", { superseded: true }),
    reached("asked", 1, "08:50", "08:50"),
    reached("accepted", 1, "08:40", "09:30", { reason: "表上写的是 8:40" }),
    reached("asked", 2, "09:10", "09:10"),
  ],
  steps: [
    { code: "answer", n: 1, state: "done" },
    { code: "answer", n: 2, state: "ready" },
  ],
} as unknown as RunView;

test("a correction stands at its own time with what it took the place of", () => {
  const all = occurrences(run);
  expect(all.map(({ now }) => `${now.code} ${now.n}`)).toEqual(["accepted 1", "asked 1", "asked 2"]);
  expect(all[0]?.before.map(({ at }) => at)).toEqual(["2026-11-22T09:00:00Z"]);
  expect(standing(run, "accepted")?.reason).toBe("表上写的是 8:40");
  expect(standing(run, "closed")).toBeUndefined();
});

test("of a step that was asked for again the last time counts", () => {
  expect(latest(run, "answer")).toMatchObject({ times: 2, step: { n: 2, state: "ready" } });
  expect(latest(run, "review")).toBeUndefined();
});
