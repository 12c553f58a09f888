import type { Coding, Questionnaire, QuestionnaireItem } from "@qingshan/client";
import { expect, test } from "vitest";
import { begin, resume, withSlots, withTime, withoutTime, type Filled, type Knowledge } from "../src/forms/filled";
import { itemsOf } from "../src/forms/path/item";
import { labelOf } from "../src/forms/questionnaire";
import { faultsOf, settle, walk, type Settled } from "../src/forms/settle";
import { readTyped, slotOf } from "../src/forms/values";

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";
const expression = (url: string, text: string, name?: string) => ({
  url,
  valueExpression: { language: "text/fhirpath", expression: text, ...(name !== undefined && { name }) },
});
const english = (content: string) => ({
  extension: [{ url: `${CORE}translation`, extension: [{ url: "lang", valueCode: "en" }, { url: "content", valueString: content }] }],
});

const NIHSS = "https://qingshan.example/CodeSystem/nihss";
const graded = (code: string, score?: number): Coding => ({
  system: NIHSS,
  code,
  ...(score !== undefined && { extension: [{ url: `${CORE}ordinalValue`, valueDecimal: score }] }),
});
const grades = [graded("0", 0), graded("1", 1), graded("2", 2), graded("3", 3), graded("4", 4), graded("UN")];
const limb = (linkId: string, text: string, en: string): QuestionnaireItem => ({
  linkId,
  type: "choice",
  text,
  _text: english(en),
  answerOption: grades.map((valueCoding) => ({ valueCoding })),
});
/** As the text of a form is written into a Questionnaire. */
const total = (...codes: string[]) => {
  const items = `%resource.repeat(item).where(linkId in (${codes.map((code) => `'${code}'`).join(" | ")})).where(answer.value.exists())`;
  const score = `iif(code.exists(), extension('${CORE}ordinalValue').value, $this)`;
  return `iif(${items}.linkId.distinct().count() = ${codes.length}, ${items}.answer.value.select(${score}).aggregate(iif($total.empty(), $this, $total + $this)), {})`;
};
const TOTAL = "%resource.descendants().where(linkId in ('arm-left' | 'arm-right' | 'gaze')).answer.value.ordinal().sum()";
const nihss: Questionnaire = {
  resourceType: "Questionnaire",
  status: "active",
  item: [
    { linkId: "limbs", type: "group", text: "肢体", item: [limb("arm-left", "左上肢", "Left arm"), limb("arm-right", "右上肢", "Right arm")] },
    { ...limb("gaze", "凝视", "Gaze"), required: true },
    {
      linkId: "why",
      type: "string",
      text: "无法评定的原因",
      required: true,
      extension: [expression(`${SDC}enableWhenExpression`, "%resource.descendants().where(linkId='arm-left').answer.value.code = 'UN'")],
    },
    { linkId: "total", type: "decimal", text: "总分", required: true, extension: [expression(`${SDC}calculatedExpression`, TOTAL)] },
    { linkId: "sum", type: "integer", text: "合计", extension: [expression(`${SDC}calculatedExpression`, total("arm-left", "arm-right", "gaze"))] },
    {
      linkId: "grade",
      type: "string",
      text: "程度",
      extension: [expression(`${SDC}calculatedExpression`, "iif(%resource.item.where(linkId='total').answer.value > 4, 'moderate', 'minor')")],
    },
  ],
};

const knowledge: Knowledge = { environment: { variables: new Map(), now: Date.parse("2026-11-22T01:30:00+08:00") }, lists: new Map() };
const blank = (form: Questionnaire) => begin(form, knowledge);
const put = (form: Questionnaire, filled: Filled, key: string, typed: string | Coding): Filled => {
  const field = [...walk(settle(form, filled, knowledge).fields)].find((one) => one.key === key);
  if (field === undefined) throw new Error(`there is no ${key}`);
  if (typeof typed !== "string") return withSlots(filled, key, [slotOf(field.item, { valueCoding: typed })]);
  const reading = readTyped(field.item, typed);
  return withSlots(filled, key, [{ text: typed, ...(reading !== undefined && "value" in reading && { value: reading.value }) }]);
};
const valueOf = (settled: Settled, key: string) => [...walk(settled.fields)].find((field) => field.key === key)?.slots[0]?.value;
const isAsked = (settled: Settled, key: string) => [...walk(settled.fields)].find((field) => field.key === key)?.isEnabled;
const faults = (form: Questionnaire, filled: Filled) =>
  faultsOf(form, settle(form, filled, knowledge), knowledge, "zh-CN").map(({ field, problem }) => `${field.key} ${problem.kind}`);

test("a score is not computed while an item is missing, and says which", () => {
  let filled = put(nihss, blank(nihss), "arm-left", graded("4", 4));
  filled = put(nihss, filled, "gaze", graded("2", 2));
  const settled = settle(nihss, filled, knowledge);
  expect(valueOf(settled, "total")).toBeUndefined();
  expect(valueOf(settled, "sum")).toBeUndefined();
  expect(valueOf(settled, "grade")).toBeUndefined();
  const lacking = [...walk(settled.fields)].find(({ key }) => key === "grade")?.lacking ?? [];
  expect(lacking.map(({ item }) => labelOf("zh-CN", item))).toEqual(["右上肢"]);
  expect(lacking.map(({ item }) => labelOf("en", item))).toEqual(["Right arm"]);
  expect(faults(nihss, filled)).toEqual(["arm-right required"]);
});

test("what a level lacks is asked for by the question that decides on whose rules it goes, and never by the rules of others", () => {
  const of = (who: string) => expression(`${SDC}enableWhenExpression`, `%resource.item.where(linkId = 'who').answer.value.code = '${who}'`);
  const level = (linkId: string, who: string, from: string): QuestionnaireItem => ({
    linkId,
    type: "integer",
    readOnly: true,
    extension: [of(who), expression(`${SDC}calculatedExpression`, `iif(%resource.item.where(linkId = '${from}').answer.value > 100, 1, 2)`)],
  });
  const triage: Questionnaire = {
    resourceType: "Questionnaire",
    status: "active",
    item: [
      { linkId: "who", type: "choice", answerOption: ["adult", "child"].map((code) => ({ valueCoding: { system: NIHSS, code } })) },
      { linkId: "pulse", type: "integer" },
      { linkId: "breaths", type: "integer" },
      level("adult-level", "adult", "pulse"),
      level("child-level", "child", "breaths"),
      { linkId: "level", type: "integer", readOnly: true, extension: [expression(`${SDC}calculatedExpression`, "%resource.item.where(linkId in ('adult-level' | 'child-level')).answer.value")] },
    ],
  };
  const lacks = (filled: Filled) => [...walk(settle(triage, filled, knowledge).fields)].find(({ key }) => key === "level")?.lacking.map(({ key }) => key);
  const adult = put(triage, blank(triage), "who", { system: NIHSS, code: "adult" });
  expect(lacks(blank(triage))).toEqual(["who"]);
  expect(lacks(adult)).toEqual(["pulse"]);
  expect(lacks(put(triage, adult, "pulse", "120"))).toEqual([]);
});

test("a score is computed as the last item is answered, and what follows from it too", () => {
  let filled = put(nihss, blank(nihss), "arm-left", graded("4", 4));
  filled = put(nihss, filled, "arm-right", graded("0", 0));
  filled = put(nihss, filled, "gaze", graded("2", 2));
  const settled = settle(nihss, filled, knowledge);
  expect(valueOf(settled, "total")).toEqual({ valueDecimal: 6 });
  expect(valueOf(settled, "sum")).toEqual({ valueInteger: 6 });
  expect(valueOf(settled, "grade")).toEqual({ valueString: "moderate" });
  expect(faults(nihss, filled)).toEqual([]);
  const taken = withSlots(filled, "gaze", []);
  expect(valueOf(settle(nihss, taken, knowledge), "total")).toBeUndefined();
});

test("what cannot be tested is answered, has no score, and asks for a reason", () => {
  let filled = put(nihss, blank(nihss), "arm-left", graded("UN"));
  filled = put(nihss, put(nihss, filled, "arm-right", graded("1", 1)), "gaze", graded("0", 0));
  const settled = settle(nihss, filled, knowledge);
  expect(valueOf(settled, "total")).toEqual({ valueDecimal: 1 });
  expect(isAsked(settled, "why")).toBe(true);
  expect(faults(nihss, filled)).toEqual(["why required"]);
});

const medicines: Questionnaire = {
  resourceType: "Questionnaire",
  status: "active",
  item: [
    {
      linkId: "medicine",
      type: "group",
      text: "用药",
      repeats: true,
      extension: [{ url: `${CORE}questionnaire-minOccurs`, valueInteger: 1 }, expression(`${SDC}itemPopulationContext`, "%orders", "order")],
      item: [
        { linkId: "name", type: "string", text: "药名", required: true, maxLength: 6, extension: [expression(`${SDC}initialExpression`, "%order.medication.text")] },
        { linkId: "dose", type: "decimal", text: "剂量", extension: [{ url: `${CORE}minValue`, valueDecimal: 0 }, { url: `${CORE}maxValue`, valueDecimal: 1000 }] },
        { linkId: "times", type: "integer", text: "每日次数" },
        { linkId: "daily", type: "decimal", text: "日剂量", extension: [expression(`${SDC}calculatedExpression`, "%context.exists() and false")] },
      ],
    },
    {
      linkId: "sum",
      type: "decimal",
      text: "合计",
      extension: [expression(`${SDC}calculatedExpression`, "%resource.descendants().where(linkId='dose').answer.value.sum()")],
    },
  ],
};

test("a list begins with what the record knows, grows, shrinks, and keeps what stands in its other lines", () => {
  const orders = [{ medicationCodeableConcept: { text: "氨氯地平" } }, { medicationCodeableConcept: { text: "二甲双胍" } }];
  const known: Knowledge = { ...knowledge, environment: { ...knowledge.environment, variables: new Map([["orders", itemsOf(orders)]]) } };
  let filled = begin(medicines, known);
  expect(filled.times["medicine"]).toEqual(["1", "2"]);
  expect(valueOf(settle(medicines, filled, known), "medicine#2/name")).toEqual({ valueString: "二甲双胍" });
  const more = withTime(filled, "medicine");
  filled = put(medicines, put(medicines, more.filled, "medicine#2/dose", "500"), `medicine#${more.time}/name`, "阿司匹林");
  filled = withoutTime(filled, "medicine", "1");
  const settled = settle(medicines, filled, known);
  expect(settled.items[0]?.item?.[0]?.answer).toEqual([{ valueString: "二甲双胍" }]);
  expect(settled.items).toHaveLength(2);
  expect(valueOf(settled, "sum")).toBeUndefined();
  expect(valueOf(settle(medicines, put(medicines, filled, "medicine#3/dose", "100"), known), "sum")).toEqual({ valueDecimal: 600 });
});

test("each line of a list is held to what is asked of it", () => {
  let filled = blank(medicines);
  expect(faults(medicines, filled)).toEqual(["medicine#1/name required"]);
  filled = put(medicines, put(medicines, filled, "medicine#1/name", "一二三四五六七"), "medicine#1/dose", "1001");
  filled = put(medicines, filled, "medicine#1/times", "2.5");
  expect(faults(medicines, filled)).toEqual(["medicine#1/name long", "medicine#1/dose most", "medicine#1/times integer"]);
  expect(faults(medicines, withoutTime(filled, "medicine", "1"))).toEqual(["medicine few"]);
});

const chain: Questionnaire = {
  resourceType: "Questionnaire",
  status: "active",
  item: [
    { linkId: "smokes", type: "boolean", text: "吸烟" },
    { linkId: "years", type: "integer", text: "年数", enableWhen: [{ question: "smokes", operator: "=", answerBoolean: true }] },
    { linkId: "ct", type: "boolean", text: "做过低剂量 CT", enableWhen: [{ question: "years", operator: ">=", answerInteger: 20 }] },
    {
      linkId: "where",
      type: "string",
      text: "在哪里",
      required: true,
      enableBehavior: "any",
      enableWhen: [
        { question: "ct", operator: "=", answerBoolean: true },
        { question: "years", operator: ">", answerInteger: 40 },
      ],
    },
  ],
};

test("what is asked because of an answer disappears with it, down the whole chain, and is not sent", () => {
  let filled = withSlots(blank(chain), "smokes", [{ value: { valueBoolean: true } }]);
  filled = put(chain, filled, "years", "25");
  filled = withSlots(filled, "ct", [{ value: { valueBoolean: true } }]);
  filled = put(chain, filled, "where", "示范县医院");
  expect(settle(chain, filled, knowledge).items.map(({ linkId }) => linkId)).toEqual(["smokes", "years", "ct", "where"]);
  const not = withSlots(filled, "smokes", [{ value: { valueBoolean: false } }]);
  const settled = settle(chain, not, knowledge);
  expect(settled.items.map(({ linkId }) => linkId)).toEqual(["smokes"]);
  expect(["years", "ct", "where"].map((key) => isAsked(settled, key))).toEqual([false, false, false]);
  // Whoever takes the answer back finds what was there.
  const again = settle(chain, withSlots(not, "smokes", [{ value: { valueBoolean: true } }]), knowledge);
  expect(valueOf(again, "where")).toEqual({ valueString: "示范县医院" });
});

test("a response that was kept gives the same form again", () => {
  let filled = put(medicines, blank(medicines), "medicine#1/name", "氨氯地平");
  filled = put(medicines, filled, "medicine#1/dose", "5");
  const { items } = settle(medicines, filled, knowledge);
  const again = resume(medicines, { resourceType: "QuestionnaireResponse", status: "in-progress", item: items });
  expect(settle(medicines, again, knowledge).items).toEqual(items);
});

test("dates, times and numbers are read as people type them", () => {
  const read = (type: QuestionnaireItem["type"], text: string) => {
    const reading = readTyped({ linkId: "a", type }, text);
    return reading !== undefined && "value" in reading ? Object.values(reading.value)[0] : undefined;
  };
  expect(read("date", "2026年3月9日")).toBe("2026-03-09");
  expect(read("time", "805")).toBe("08:05:00");
  expect(read("time", "24:00")).toBeUndefined();
  expect(read("dateTime", "20260309 8:05")).toBe("2026-03-09T08:05:00+08:00");
  expect(read("decimal", "３６．８")).toBe(36.8);
  expect(read("decimal", "1e5")).toBeUndefined();
  expect(read("integer", "-3")).toBe(-3);
});
