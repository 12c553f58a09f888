import { expect, test } from "vitest";
import { evaluate, type Environment } from "../src/forms/path/evaluate";
import { itemsOf } from "../src/forms/path/item";
import { operandsOf, parse, variablesOf } from "../src/forms/path/parse";

const patient = {
  resourceType: "Patient",
  birthDate: "1958-04-12",
  gender: "male",
  name: [{ family: "单", given: ["小", "雨"] }],
  deceasedBoolean: false,
};
const response = {
  resourceType: "QuestionnaireResponse",
  item: [
    { linkId: "weight", answer: [{ valueDecimal: 72.5 }] },
    { linkId: "arm", answer: [{ valueCoding: { system: "urn:nihss", code: "2", extension: [{ url: "http://hl7.org/fhir/StructureDefinition/ordinalValue", valueDecimal: 2 }] } }] },
    { linkId: "leg", answer: [{ valueCoding: { system: "urn:nihss", code: "UN" } }] },
    { linkId: "group", item: [{ linkId: "pulse", answer: [{ valueQuantity: { value: 80, unit: "/min", code: "/min" } }] }] },
  ],
};
const environment: Environment = { variables: new Map([["patient", itemsOf(patient)], ["none", []]]), now: Date.parse("2026-11-22T01:30:00+08:00") };
const of = (expression: string) => evaluate(expression, response, environment).map(({ value }) => value);

test("expressions give what the standard says", () => {
  for (const [expression, ...expected] of [
    ["1 + 2 * 3", 7],
    ["0.1 + 0.2 = 0.3", true],
    ["7 div 2 + 7 mod 2", 4],
    ["1 / 0"],
    ["-(2 - 5)", 3],
    ["'a' & {} & 'b'", "ab"],
    ["'a' + {}"],
    ["{} = 1"],
    ["true and {}"],
    ["false and {}", false],
    ["{} or true", true],
    ["{} implies true", true],
    ["(1 | 2 | 2).count()", 2],
    ["2 in (1 | 2)", true],
    ["(1 | 2) contains 3", false],
    ["'Li' ~ ' li'", true],
    ["item.where(linkId = 'weight').answer.value", 72.5],
    ["item.where(linkId='arm').answer.value.code", "2"],
    ["item.where(linkId='arm').answer.value.ordinal()", 2],
    ["item.where(linkId='arm').answer.ordinal()", 2],
    ["item.where(linkId='leg').answer.value.ordinal()"],
    ["item.answer.value.ordinal().sum()", 2],
    ["descendants().where(linkId = 'pulse').answer.value", { value: 80, unit: "/min", code: "/min" }],
    ["descendants().where(linkId = 'pulse').answer.value > 60 '/min'", true],
    ["repeat(item).where(linkId='pulse').exists()", true],
    ["item.where(linkId='weight').answer.value.ofType(decimal)", 72.5],
    ["item.where(linkId='arm').answer.value is Coding", true],
    ["item[0].linkId", "weight"],
    ["item.select(linkId).join('+')", "weight+arm+leg+group"],
    ["iif(item.where(linkId='weight').answer.value >= 70, 'heavy', 'light')", "heavy"],
    ["%patient.name.given.join('')", "小雨"],
    ["%patient.deceased", false],
    ["%none.exists()", false],
    ["today()", "2026-11-22"],
    ["%patient.birthDate <= today() - 65 years", true],
    ["@2026-01-31 + 1 month", "2026-02-28"],
    ["@2026-11-22T23:50:00+08:00 + 20 'min'", "2026-11-23T00:10:00+08:00"],
    ["(2.345).round(2)", 2.35],
    ["(1 | 2 | 3).aggregate($this + $total, 0)", 6],
    ["(3 | 9 | 4).max()", 9],
    ["'2026'.toInteger() + 1", 2027],
    ["'abc'.substring(1, 1).upper()", "B"],
    ["'O2 95'.matches('\\\\d+')", true],
    ["(1 | 2).all($this > 0) and (1|2).where($this > 1).count() = 1", true],
    ["4 'h' < 270 minutes", true],
  ] as const) {
    expect(of(expression), expression).toEqual(expected);
  }
});

test("what is not an expression is refused with the place", () => {
  for (const expression of ["1 +", "a b", "'open", "f(1", "1 2"]) expect(() => parse(expression), expression).toThrow();
  expect(() => parse("(".repeat(5_000))).toThrow("too deep");
  expect(() => of("item.answer.value + 1")).toThrow("one item");
  expect(() => of("nonsense()")).toThrow("nonsense()");
  expect(() => of("%resource.item")).toThrow("%resource");
});

test("it is known what an expression computes with, what it cannot do without, and what it merely asks about", () => {
  const of = (expression: string) => {
    const { all, needed } = operandsOf(expression);
    return [[...all.questions], [...needed.questions]];
  };
  expect(of("%resource.item.where(linkId='a').answer.value + %b")).toEqual([["a"], []]);
  expect(of("descendants().where(linkId in ('a' | 'b')).answer.value.sum()")).toEqual([["a", "b"], ["a", "b"]]);
  expect(of("iif(item.where(linkId='a').answer.exists(), 1, item.where(linkId='c').answer.value)")).toEqual([["c"], []]);
  expect(of("iif(item.where(linkId='a').answer.value > 4, 'moderate', 'minor')")).toEqual([["a"], ["a"]]);
  expect(variablesOf("%patient.birthDate < today() and %focus.exists()")).toEqual(["patient", "focus"]);
});
