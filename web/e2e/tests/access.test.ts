import type { BrowserContextOptions, Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import english from "../../portal/src/strings/en.json";
import chinese from "../../portal/src/strings/zh-CN.json";
import { ask, keep, play } from "../src/stage";

const sizes: Record<string, BrowserContextOptions> = {
  desktop: { viewport: { width: 1366, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

for (const [size, options] of Object.entries(sizes)) {
  for (const [locale, strings] of [
    ["zh-CN", chinese],
    ["en", english],
  ] as const) {
    describe(`${size}, ${locale}`, () => {
      // Each begins before a closed door, so each has a record of its own.
      const show = play();
      const window = (login: string) => show.window(login, { ...options, locale });

      test("a closed record says why, and is opened in an emergency for a while that is shown", async () => {
        const page = await window("gao");
        await page.locator("#finder").fill("sxy");
        await page.locator(".person", { hasText: "1958-04-12" }).click();
        await page.getByRole("heading", { name: strings["closed.title"] }).waitFor();
        expect(await page.locator(".closed").innerText()).toContain(strings["relation.treats"]);
        expect(await page.locator(".entry, .allergies").count()).toBe(0);
        await breakGlass(page, strings);
        expect(await page.locator(".countdown").innerText()).toMatch(/0[0-9]:[0-5][0-9]:[0-5][0-9]/);
        await page.locator(".entry", { hasText: "168/96" }).waitFor();
      });

      test("whoever owns the record sees who opened it, from where and that it was an emergency", async () => {
        const page = await window("shan");
        await page.getByRole("link", { name: strings["mine.looked"] }).click();
        const look = page.locator(".look.is-emergency").first();
        await look.waitFor();
        expect(await look.innerText()).toContain("高原");
        expect(await look.innerText()).toContain("示范市医院");
      });

      test("the privacy officer judges the emergency, and it waits no longer", async () => {
        const page = await window("he");
        const waiting = page.locator(".waiting", { hasText: "单小雨" });
        expect(await waiting.innerText()).toContain("高原");
        await waiting.getByRole("button", { name: strings["emergencies.justified"], exact: true }).click();
        await page.getByText(strings["emergencies.none"]).waitFor();
      });

      test("a doctor who opens a visit for somebody they had nothing to do with is not held up, and it is told and reviewed", async () => {
        const doctor = await window("gao");
        const found = await ask(doctor, "GET", "/fhir/Patient?birthdate=1958-04-12&_count=1");
        const [{ resource }] = found["entry"] as [{ resource: { id: string } }];
        await ask(doctor, "POST", "/fhir/Encounter", {
          resourceType: "Encounter",
          status: "in-progress",
          class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "AMB" },
          subject: { reference: `Patient/${resource.id}` },
          serviceProvider: { reference: "Organization/city" },
        });
        const patient = await window("shan");
        await patient.getByRole("link", { name: strings["mine.looked"] }).click();
        await patient.getByText(strings["looked.selfMade"]).first().waitFor();
        await keep(patient, `looked-self-made-${size}-${locale}`);
        const page = await window("he");
        await page.goto("/ties");
        const made = page.locator(".waiting", { hasText: "单小雨" });
        expect(await made.innerText()).toContain("高原");
        expect(await made.innerText()).toContain(strings["ties.by.Encounter"]);
        await keep(page, `ties-${size}-${locale}`);
        const institution = page.getByLabel(strings["ties.institution"], { exact: true });
        await institution.selectOption({ label: "示范县医院" });
        await page.getByText(strings["ties.none"]).waitFor();
        await institution.selectOption({ label: "示范市医院" });
        await made.waitFor();
        await page.getByLabel(strings["ties.to"], { exact: true }).fill("2020-01-01");
        await page.getByText(strings["ties.none"]).waitFor();
        await page.getByLabel(strings["ties.to"], { exact: true }).fill("");
        const bad = made.getByRole("button", { name: strings["ties.bad"], exact: true });
        expect(await bad.isDisabled()).toBe(true);
        await made.getByRole("textbox").fill("核实");
        expect(await bad.isDisabled()).toBe(false);
        await made.getByRole("button", { name: strings["ties.good"], exact: true }).click();
        await page.getByText(strings["ties.none"]).waitFor();
      });
    });
  }
}

async function breakGlass(page: Page, strings: typeof chinese): Promise<void> {
  await page.getByRole("button", { name: strings["glass.break"], exact: true }).click();
  await page.getByText(strings["glass.reason.unconscious"], { exact: true }).click();
  await page.getByRole("button", { name: strings["glass.submit"] }).click();
}
