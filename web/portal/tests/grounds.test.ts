import { Failure, type Resource } from "@qingshan/client";
import { expect, test } from "vitest";
import { shownBy } from "../src/runs/Grounds";
import { unnamedIn, valueOf } from "../src/runs/Answers";
import { answersTo } from "../src/runs/warning";
import { saysScore } from "../src/forms/questionnaire";
import type { Texts } from "../src/language";
import chinese from "../src/strings/zh-CN.json";

const strings: Partial<Record<string, string>> = chinese;
const texts: Texts = {
  locale: "zh-CN",
  t: (key, places = {}) => (strings[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(places[name] ?? whole)),
  known: (family, code) => strings[`${family}.${code}`],
  choose: () => undefined,
};
const { signal } = new AbortController();

const rules = {
  resourceType: "PlanDefinition",
  action: [
    { id: "up", title: "上转" },
    { id: "down-stable", title: "可评估下转", documentation: [{ type: "citation", display: "国办发〔2015〕70号" }] },
  ],
};
const stay = { resourceType: "Encounter", id: "e1", status: "in-progress", class: { code: "IMP" }, period: { start: "2026-11-20T08:00:00+08:00" } };

/** A record that holds some things, and answers about others as it is told to. */
const record = (held: readonly Resource[], kind: "refused" | "missing" | "offline" = "missing") =>
  ({
    search: () => Promise.resolve({ found: [rules] }),
    read: (type: string, id: string) => {
      const found = held.find((one) => one.resourceType === type && one.id === id);
      return found === undefined ? Promise.reject(new Failure(kind, undefined)) : Promise.resolve(found);
    },
  }) as unknown as Parameters<typeof shownBy>[0];

test("a run that a rule began says which, and what of the record showed it", async () => {
  const grounds = { rule: "referral.down-stable", evidence: [{ resource: "Encounter/e1" }, { value: "12" }] };
  const shown = await shownBy(record([stay as Resource]), grounds, signal);
  expect(shown.rule).toEqual(rules.action[1]);
  expect(shown.entries.map(({ id }) => id)).toEqual(["e1"]);
  expect(shown.hidden).toBe(0);
});

test("what may not be read is counted among the reasons, and what could not be heard is no reason", async () => {
  const grounds = { rule: "referral.down-stable", evidence: [{ resource: "Encounter/e1" }, { resource: "Condition/c1" }] };
  expect((await shownBy(record([stay as Resource], "refused"), grounds, signal)).hidden).toBe(1);
  await expect(shownBy(record([], "offline"), grounds, signal)).rejects.toMatchObject({ kind: "offline" });
});

test("a choice with a score is read with its points, once", () => {
  const coded = (display: string, score: number) => ({ valueCoding: { display, extension: [{ url: "http://hl7.org/fhir/StructureDefinition/ordinalValue", valueDecimal: score }] } });
  expect(valueOf(texts, coded("缓慢下落", 1))).toBe("缓慢下落 · 1 分");
  expect(valueOf(texts, coded("E4 自发睁眼", 4))).toBe("E4 自发睁眼");
  expect(valueOf(texts, coded("1 部分偏盲", 1))).toBe("1 部分偏盲");
  expect([saysScore("100～119", 1), saysScore("≥80岁", 2), saysScore("M6 遵嘱动作", 6)]).toEqual([false, false, true]);
});

test("a hospital that is answered by reference alone is looked up, and its id is never what is read", () => {
  const item = [{ linkId: "what", item: [{ linkId: "target", answer: [{ valueReference: { reference: "Organization/city" } }] }] }];
  expect(unnamedIn(item)).toEqual(["Organization/city"]);
  expect(valueOf(texts, { valueReference: { reference: "Organization/city" } })).toBe("名称未知");
  expect(unnamedIn([{ linkId: "target", answer: [{ valueReference: { reference: "Organization/city", display: "示范市医院" } }] }])).toEqual([]);
  const response = { resourceType: "QuestionnaireResponse" as const, status: "completed" as const, item };
  expect(answersTo(response, "target")).toHaveLength(1);
  expect(answersTo(response, "nowhere")).toEqual([]);
});
