import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { pictures, play, raise, wear } from "../src/stage";

let folder: string;

const DAY = 86_400_000;

/** A moment so many days from now, at an hour in Shanghai. */
const at = (days: number, hour: number, minute = 0): string => {
  const day = new Date(Date.now() + days * DAY + 8 * 3_600_000).toISOString().slice(0, 10);
  return `${day}T${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}:00+08:00`;
};

/** A cardiology in the city with slots and beds, and a session of its doctor in town. */
function bundle(): object {
  const ref = (reference: string) => ({ reference });
  const slot = (id: string, schedule: string, start: string, end: string, isPooled = false) => ({
    resourceType: "Slot",
    id,
    schedule: ref(`Schedule/${schedule}`),
    status: "free",
    start,
    end,
    ...(isPooled && { appointmentType: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/slot-pool", code: "referral" }] } }),
  });
  const type = [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/organization-type", code: "dept" }] }];
  const department = (id: string, name: string) => [
    { resourceType: "Organization", id: `city-${id}`, active: true, name, type, partOf: ref("Organization/city") },
    { resourceType: "HealthcareService", id: `city-${id}`, active: true, name, providedBy: ref(`Organization/city-${id}`) },
    { resourceType: "Schedule", id: `city-${id}`, active: true, actor: [ref(`HealthcareService/city-${id}`)] },
  ];
  const resources = [
    ...department("cardiology", "心血管内科"),
    ...department("neurology", "神经内科"),
    slot("c1", "city-cardiology", at(3, 9), at(3, 9, 30), true),
    slot("c2", "city-cardiology", at(4, 9), at(4, 9, 30)),
    slot("n1", "city-neurology", at(5, 10), at(5, 10, 30), true),
    ...["1", "2"].map((number) => ({
      resourceType: "Location",
      id: `city-bed-${number}`,
      status: "active",
      name: `心内 ${number} 床`,
      physicalType: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/location-physical-type", code: "bd" }] },
      operationalStatus: { system: "http://terminology.hl7.org/CodeSystem/v2-0116", code: "U" },
      managingOrganization: ref("Organization/city-cardiology"),
    })),
    {
      resourceType: "Schedule",
      id: "visit",
      active: true,
      extension: [{ url: "https://qingshan.dev/fhir/StructureDefinition/session-place", valueReference: ref("Organization/town") }],
      serviceCategory: [{ coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/session", code: "expert-session" }] }],
      specialty: [{ text: "冠心病、高血压" }],
      actor: [ref("PractitionerRole/gao-city")],
      planningHorizon: { start: at(2, 9), end: at(2, 10) },
      comment: "请带近期心电图",
    },
    slot("v1", "visit", at(2, 9), at(2, 9, 30)),
    slot("v2", "visit", at(2, 9, 30), at(2, 10)),
  ];
  const entry = resources.map((resource) => ({ resource, request: { method: "PUT", url: `${resource.resourceType}/${resource.id}` } }));
  return { resourceType: "Bundle", type: "transaction", entry };
}

const { window } = play(async () => {
  folder = await mkdtemp(join(tmpdir(), "qingshan-places-"));
  const file = join(folder, "places.json");
  await writeFile(file, JSON.stringify(bundle()));
  return raise([["import", file]]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const shot = (page: Page, name: string) => page.screenshot({ path: join(pictures, `places-${name}.png`), fullPage: true });

/** Opens the referral form for a patient, up to the choice of a place. */
async function begin(page: Page, patient: string): Promise<void> {
  await page.goto("/protocols/referral?view=start");
  await page.getByText("上转", { exact: true }).first().click();
  await page.getByLabel("患者", { exact: true }).fill(patient);
  await page.locator(".start-found button").first().click();
  await page.getByText("普通", { exact: true }).click();
  await page.getByRole("button", { name: "选择科室和时间" }).click();
}

test("a clinic doctor has the slot in the referral before the patient leaves, and it is booked when the hospital accepts", async () => {
  const doctor = await window("wu");
  await wear(doctor, "示范镇卫生院");
  await begin(doctor, "qiujianan");
  await doctor.locator("[data-department='HealthcareService/city-cardiology']").waitFor();
  await shot(doctor, "finder");
  await doctor.locator("[data-slot='Slot/c1']").click();
  await doctor.locator("[data-held]").getByText("心血管内科").waitFor();
  await shot(doctor, "held");
  // Who has the place is who is asked.
  expect(await doctor.getByLabel("接收方").inputValue()).toBe("Organization/city-cardiology");
  const answer = async (question: string, option: string) => {
    await doctor.getByRole("group", { name: question }).getByText(option, { exact: true }).first().click();
  };
  await doctor.getByRole("textbox", { name: "转诊原因" }).fill("血压控制不佳");
  await doctor.getByLabel("病情描述").fill("三种药物足量三个月，血压仍高");
  await answer("转诊类别", "门诊");
  await answer("主要原因", "连续两次随访控制不满意");
  await answer("感染与隔离", "无");
  await answer("前往方式", "自行前往");
  await answer("费用来源", "职工基本医疗保险");
  await answer("已说明转诊理由", "是");
  await answer("签署人", "患者本人");
  await answer("同意接收机构查阅", "是");
  await doctor.locator(".start-run button[type=submit]").click();
  await doctor.locator(".run-head").waitFor();
  const hospital = await window("gao");
  await hospital.goto("/work");
  await shot(hospital, "work");
  await hospital.locator(".work-row", { hasText: "审核转诊申请" }).getByRole("link").first().click();
  await shot(hospital, "review");
  await hospital.getByRole("button", { name: "接收", exact: true }).click();
  await hospital.getByRole("heading", { name: "接收意见" }).waitFor();
  await hospital.getByRole("button", { name: "接收", exact: true }).click();

  await doctor.locator(".milestones", { hasText: "预留的号源或床位已生效" }).waitFor();
  await shot(doctor, "accepted");
  await doctor.waitForFunction(async () => ((await (await fetch("/fhir/Slot/c1")).json()) as { status: string }).status === "busy");
});

test("of two doctors who want the last slot one has it, and the other is shown what is left", async () => {
  const [one, other] = [await window("wu"), await window("wu")];
  await wear(one, "示范镇卫生院");
  await wear(other, "示范镇卫生院");
  await begin(one, "oymy");
  await begin(other, "qiujianan");
  const last = (page: Page) => page.locator("[data-slot='Slot/n1']");
  await Promise.all([last(one).waitFor(), last(other).waitFor()]);
  await Promise.all([last(one).click(), last(other).click()]);
  const has = (page: Page) => page.locator("[data-held]");
  const late = (page: Page) => page.getByText("刚刚被别人约走了");
  await Promise.race([late(one).waitFor(), late(other).waitFor()]);
  await Promise.race([has(one).waitFor(), has(other).waitFor()]);
  expect((await has(one).count()) + (await has(other).count())).toBe(1);
  const loser = (await has(one).count()) === 1 ? other : one;
  await shot(loser, "too-late");
  await loser.locator("[data-department='HealthcareService/city-neurology']").getByText("两周内已约满").waitFor();
});

test("a resident books an expert who comes to the community on their phone, and gives it back", async () => {
  const phone = await window("shan", { viewport: { width: 390, height: 844 } });
  await phone.goto("/sessions");
  const offer = phone.locator("[data-session=visit]");
  await offer.getByText("还有 2 个号").waitFor();
  await shot(phone, "resident");
  await offer.getByRole("button", { name: "预约", exact: true }).click();
  const booked = phone.locator("[data-visit]");
  await booked.getByText("已约好").waitFor();
  await offer.getByText("还有 1 个号").waitFor();
  await shot(phone, "resident-booked");

  // The desk in town sees who comes, and marks it.
  const town = await window("wu");
  await wear(town, "示范镇卫生院");
  await town.goto("/sessions");
  const rota = town.locator(".rota-session[data-session=visit]");
  // Weeks begin on Monday where the desk is.
  const weekday = (new Date(Date.now() + 8 * 3_600_000).getUTCDay() + 6) % 7;
  if (weekday + 2 > 6) await town.getByRole("button", { name: "下一周" }).click();
  await rota.click();
  await town.locator(".booked", { hasText: "单小雨" }).waitFor();
  await shot(town, "rota");

  await booked.getByRole("button", { name: "取消预约" }).click();
  await offer.getByText("还有 2 个号").waitFor();
  await booked.waitFor({ state: "detached" });
});
