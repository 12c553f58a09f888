import { join } from "node:path";
import { expect, test } from "vitest";
import { pictures, play, raise } from "../src/stage";

const line = new URL("../../../lines/referral", import.meta.url).pathname;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BEGAN = Date.parse("2026-06-03T08:00:00+08:00");
const settings = "[sign_in]\nidle_minutes = 6000\nsession_hours = 96\ntoken_seconds = 360000\n";
const show = play(() => raise([["protocol", "install", line]], { clock: BEGAN, machines: ["ward"], settings }));

const subject = { reference: "Patient/xiang" };
const written = (at: number) => new Date(at).toISOString();
const loinc = (code: string) => ({ coding: [{ system: "http://loinc.org", code }] });
const vital = (code: string, at: number, value: object) => ({
  resourceType: "Observation",
  status: "final",
  category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" }] }],
  code: loinc(code),
  subject,
  effectiveDateTime: written(at),
  ...value,
});
const quantity = (value: number, unit: string, code: string) => ({ valueQuantity: { value, unit, system: "http://unitsofmeasure.org", code } });

test("a ward is asked whom it could send down, and reads by which rule and by what of the record", async () => {
  const put = (resource: Record<string, unknown>) => show.stage.ask("ward", "POST", `/fhir/${String(resource["resourceType"])}`, resource);
  await show.stage.ask("ward", "PUT", "/fhir/Patient/xiang", { resourceType: "Patient", id: "xiang", active: true, name: [{ text: "向来安" }], gender: "male", birthDate: "1951-02-03" });
  await put({
    resourceType: "Encounter",
    status: "in-progress",
    class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "IMP" },
    subject,
    serviceProvider: { reference: "Organization/county" },
    period: { start: written(BEGAN - 3 * DAY) },
    reasonCode: [{ text: "肺炎" }],
  });
  for (const back of [6, 18]) {
    await put(vital("8310-5", BEGAN - back * HOUR, quantity(36.8, "℃", "Cel")));
    await put(vital("59408-5", BEGAN - back * HOUR, quantity(97, "%", "%")));
    const pressure = (code: string, value: number) => ({ code: loinc(code), ...quantity(value, "mmHg", "mm[Hg]") });
    await put(vital("85354-9", BEGAN - back * HOUR, { component: [pressure("8480-6", 128), pressure("8462-4", 76)] }));
  }
  const doctor = await show.window("wu", { at: "示范县医院" });
  await doctor.goto("/work");
  await show.stage.pass(BEGAN + DAY + HOUR);
  const asked = doctor.locator("a, button", { hasText: "向来安" }).first();
  await asked.waitFor();
  await asked.click();
  const grounds = doctor.locator(".grounds");
  await grounds.getByText("住院满48小时，近48小时体温、血压、血氧平稳：可评估下转").waitFor();
  // What showed it is the stay itself, readable to whoever treats them, and where the rule comes from.
  await grounds.getByText(/肺炎/).waitFor();
  await grounds.getByText(/国办发〔2015〕70号/).waitFor();
  expect(await grounds.innerText()).not.toMatch(/Encounter\/|referral\.down/);
  await doctor.screenshot({ path: join(pictures, "grounds.png"), fullPage: true });
  await doctor.getByText("English", { exact: true }).click();
  await grounds.getByText(/Guobanfa|Two days in hospital/).first().waitFor();
  await doctor.screenshot({ path: join(pictures, "grounds-en.png"), fullPage: true });
});
