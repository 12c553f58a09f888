import type { CarePlan } from "@qingshan/client";
import { expect, test } from "vitest";
import type { Texts } from "../src/language";
import english from "../src/strings/en.json";
import chinese from "../src/strings/zh-CN.json";
import { groupsOf } from "../src/views/PlanView";

const textsOf = (locale: "zh-CN" | "en"): Texts => {
  const strings: Record<string, string> = locale === "en" ? english : chinese;
  return { locale, t: (key: string) => strings[key] ?? key, known: (family: string, code?: string) => strings[`${family}.${code}`] } as Texts;
};

const part = (code: string, text: string, rest: object = {}) => ({
  detail: { code: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/referral-plan-part", code }], text }, status: "in-progress", ...rest },
});

test("the parts of a plan stand together under what they are of, in the order of the plan and the reader's language", () => {
  const plan: Pick<CarePlan, "activity"> = {
    activity: [
      part("review", "复查"),
      part("medicine", "用药", { description: "100 mg" }),
      part("red-flag", "须立即就医的情况"),
      part("medicine", "用药", { description: "90 mg" }),
      { detail: { status: "not-started", code: { text: "家访" } } },
      { detail: { status: "not-started" } },
    ],
  };
  const titles = (locale: "zh-CN" | "en") => groupsOf(textsOf(locale), plan).map(({ title, activities }) => [title, activities.length]);
  expect(titles("zh-CN")).toEqual([["复查", 1], ["用药", 2], ["须立即就医的情况", 1], ["家访", 1], ["其他", 1]]);
  expect(titles("en").map(([title]) => title)).toEqual(["Review", "Medicines", "Red flags", "家访", "Other"]);
});
