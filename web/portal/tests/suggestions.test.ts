import type { Suggestion } from "@qingshan/client";
import { expect, test } from "vitest";
import type { Texts } from "../src/language";
import chinese from "../src/strings/zh-CN.json";
import { byGravity, isEmergency, reasonOf, showEvidence, startOf } from "../src/suggestions/suggestions";

const strings: Readonly<Record<string, string>> = chinese;
const texts: Pick<Texts, "t" | "locale" | "known"> = {
  locale: "zh-CN",
  t: (key, places = {}) => (strings[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => String(places[name])),
  known: (family, code) => strings[`${family}.${code}`],
};
const klass = (priority: "stat" | "urgent" | "routine") => ({ code: priority, title: { zh: priority, en: priority }, priority });
const pressure = {
  reference: "Observation/b",
  code: "85354-9",
  values: [
    { code: "8480-6", value: "182", unit: "mmHg" },
    { code: "8462-4", value: "100", unit: "mmHg" },
  ],
  at: "2026-11-02T08:40:00+08:00",
};

test("the graver suggestion stands first, and what is an emergency is known by its class", () => {
  const all = [klass("routine"), klass("stat"), klass("urgent")].map((one) => ({ class: one }));
  expect(byGravity(all).map((one) => one.class.code)).toEqual(["stat", "urgent", "routine"]);
  expect(all.map(isEmergency)).toEqual([false, true, false]);
  expect(isEmergency({})).toBe(false);
});

test("evidence is told with what was measured, how much, and when in Shanghai", () => {
  expect(showEvidence(texts, pressure)).toBe("收缩压 182 mmHg，舒张压 100 mmHg（2026-11-02 08:40 记录）");
  const glucose = { reference: "Observation/g", code: "x", title: "随机血糖", values: [{ value: "17.2", unit: "mmol/L" }] };
  expect(showEvidence(texts, glucose)).toBe("随机血糖 17.2 mmol/L");
});

test("the reason that is filled in says the rule and what shows it, and no bare number twice", () => {
  const suggestion = { title: { zh: "血压≥180/110", en: "" }, evidence: [pressure, { values: [{ value: "7" }] }] };
  expect(reasonOf(texts, suggestion)).toBe("血压≥180/110；收缩压 182 mmHg，舒张压 100 mmHg（2026-11-02 08:40 记录）");
});

test("the address of a suggestion names the rule and says nothing of what was found", () => {
  const one = { protocol: { code: "referral", title: { zh: "", en: "" } }, patient: { reference: "Patient/p" }, rule: "htn-crisis" };
  expect(startOf(one satisfies Pick<Suggestion, "patient" | "rule"> & { protocol: { code: string; title: { zh: string; en: string } } })).toBe(
    "/protocols/referral?view=start&patient=p&suggestion=htn-crisis",
  );
});
