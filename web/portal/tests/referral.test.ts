import type { Organization, Protocol, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { itemsIn } from "../src/forms/draft";
import { told } from "../src/mine/underWay";
import { wholeName } from "../src/organizations";
import { lasting } from "../src/patients/relation";
import { makesFocus } from "../src/protocols/start";
import { classTag } from "../src/runs/words";
import { clocksOf } from "../src/tasks/next";

const words = (zh: string) => ({ zh, en: zh });

test("a department is called with its hospital, and a hospital by itself", () => {
  const houses = new Map([["county", "示范县医院"], ["first", "First Hospital"]]);
  const dept = (name: string, house: string): Organization => ({
    resourceType: "Organization",
    name,
    type: [{ coding: [{ code: "dept" }] }],
    partOf: { reference: `Organization/${house}` },
  });
  expect(wholeName(dept("儿科", "county"), houses)).toBe("示范县医院儿科");
  expect(wholeName(dept("Paediatrics", "first"), houses)).toBe("First Hospital, Paediatrics");
  expect(wholeName(dept("示范县医院急诊科", "county"), houses)).toBe("示范县医院急诊科");
  expect(wholeName(dept("儿科", "unknown"), houses)).toBe("儿科");
  // A village station is part of a township hospital and known by its own name.
  expect(wholeName({ resourceType: "Organization", name: "柳树村卫生室", partOf: { reference: "Organization/county" } }, houses)).toBe("柳树村卫生室");
});

test("of the reasons of one kind to see a record the one that lasts longest is said", () => {
  const held = [
    { code: "referred-to", until: "2026-12-01T08:00:00+08:00" },
    { code: "treats", until: "2026-11-30T08:00:00+08:00" },
    { code: "referred-to", until: undefined },
    { code: "treats", until: "2026-12-02T08:00:00+08:00" },
  ];
  expect(lasting(held)).toEqual([{ code: "referred-to", until: undefined }, { code: "treats", until: "2026-12-02T08:00:00+08:00" }]);
});

test("nobody is asked what a run is about when beginning it makes just that", () => {
  const protocol: Pick<Protocol, "focus" | "activity"> = {
    focus: "ServiceRequest",
    activity: [{ code: "request", create: "ServiceRequest" }, { code: "note", create: "Communication" }, { code: "activate" }],
  };
  expect(makesFocus(protocol, { make: "request" })).toBe(true);
  expect(makesFocus(protocol, { make: "note" })).toBe(false);
  expect(makesFocus(protocol, { make: "activate" })).toBe(false);
  expect(makesFocus(protocol, undefined)).toBe(false);
});

test("the more urgent a run is the more its class stands out, and an ordinary one does not", () => {
  const kinds = { class: [["emergency", "stat"], ["urgent", "urgent"], ["routine", "routine"]].map(([code = "", priority = ""]) => ({ code, title: words(code), priority })) };
  const tag = (code: string) => classTag(kinds, { class: { code, title: words(code) } });
  expect([tag("emergency"), tag("urgent"), tag("routine")]).toEqual(["tag tag-grave", "tag tag-care", "tag"]);
  expect(classTag(undefined, {})).toBe("tag");
});

test("a step shows the clock that taking it on would stop", () => {
  const protocol = { step: [{ code: "review", title: words("审核"), who: "receiver", begins: ["opened"], outcome: [{ code: "accept", title: words("接收"), reach: ["accepted"] }] }] };
  const clock = (code: string, to: string, breach: string) => ({ code, title: words(code), n: 1, from: "delivered", to: [to], began: breach, breach, level: "running" });
  const run = { clocks: [clock("decide", "accepted", "2026-11-22T12:00:00Z"), clock("open", "opened", "2026-11-22T08:30:00Z"), clock("check", "checked", "2026-11-22T08:00:00Z")] };
  const shown = clocksOf(protocol as unknown as Protocol, run as unknown as RunView, { code: "review" } as never);
  expect(shown.map(({ code }) => code)).toEqual(["open", "decide"]);
});

test("of what came about at one moment a patient is told what followed last", () => {
  const at = "2026-11-22T08:00:00Z";
  const milestones = ["已提交", "绿色通道已开启"].map((zh) => ({ code: zh, title: words(zh), n: 1, at, recorded: at, patient: words(zh) }));
  const run = { id: "r", blocking: [], milestones, steps: [], clocks: [] } as unknown as RunView;
  expect(told(run, () => false).happened.map(({ words: said }) => said.zh)).toEqual(["绿色通道已开启", "已提交"]);
});

test("a form that was left empty is sent without a list of answers", () => {
  expect(itemsIn([])).toEqual({});
  expect(itemsIn([{ linkId: "a" }])).toEqual({ item: [{ linkId: "a" }] });
});
