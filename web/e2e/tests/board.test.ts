import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ask, pictures, play, raise } from "../src/stage";
import { unreadable } from "../src/wall";

const line = new URL("../lines/rush", import.meta.url).pathname;
const HOSPITAL = "示范县医院";
const { window } = play(() => raise([["protocol", "install", line]]));
const doctorsWindow = (): Promise<Page> => window("wu", { at: HOSPITAL });

/** Starts the lane at the door for somebody new, and gives the id of the run. */
async function start(page: Page, name: string, isDrill = false): Promise<string> {
  const security = [{ system: "http://terminology.hl7.org/CodeSystem/v3-ActReason", code: "HTEST" }];
  const patient = await ask(page, "POST", "/fhir/Patient", {
    resourceType: "Patient",
    ...(isDrill && { meta: { security } }),
    name: [{ use: "official", text: name, family: name.slice(0, 1), given: [name.slice(1)] }],
    gender: "female",
    birthDate: "1946-03-02",
  });
  const run = await ask(page, "POST", "/runs", {
    protocol: "rush",
    start: "door",
    class: "red",
    patient: `Patient/${String(patient["id"])}`,
    roles: { emergency: "Organization/county" },
  });
  return String(run["id"]);
}

const act = (page: Page, run: string, deed: object) => ask(page, "POST", `/runs/${run}/acts`, deed);

/** Corrects when somebody came, signed by whoever does. */
async function correct(page: Page, run: string, minutes: number): Promise<void> {
  const { name } = await ask(page, "GET", "/auth/session");
  const at = new Date(Date.now() - minutes * 60_000).toISOString();
  await act(page, run, { deed: "correct", milestone: "door", n: 1, at, reason: "门口登记", signature: name });
}
const row = (page: Page, name: string) => page.locator(".board-row", { hasText: name });

test("a case stands on the board as soon as it begins, moves up when it is late, and one touch opens it", async () => {
  const nurse = await window("lin");
  await nurse.goto("/board");
  await nurse.locator(".live-live").waitFor();
  const doctor = await doctorsWindow();
  const first = await start(doctor, "张早来");
  await row(nurse, "张早来").waitFor();
  const second = await start(doctor, "李晚来");
  await row(nurse, "李晚来").waitFor();
  await correct(doctor, second, 27);
  await nurse.locator(".board-row.is-breach", { hasText: "李晚来" }).waitFor();
  const names = await nurse.locator(".board-person strong").allInnerTexts();
  expect(names).toEqual(["李晚来", "张早来"]);
  // Whoever is about to touch a row touches the patient they saw.
  await row(nurse, "李晚来").hover();
  await correct(doctor, first, 65);
  await nurse.locator(".board-row.is-breach", { hasText: "张早来" }).waitFor();
  expect(await nurse.locator(".board-person strong").allInnerTexts()).toEqual(["李晚来", "张早来"]);
  await nurse.mouse.move(2, 2);
  await nurse.waitForFunction(() => document.querySelector(".board-person strong")?.textContent === "张早来");
  // A row that has come onto the screen is drawn with the next frame.
  await expect.poll(() => row(nurse, "李晚来").innerText()).toMatch(/超时 \d+ 分钟/);
  const late = await row(nurse, "李晚来").innerText();
  expect(late).toContain("头颅CT");
  expect(late).toContain("影像科");
  expect(late).toContain("0/2");
  await act(doctor, second, { deed: "acknowledge", step: "team", n: 1 });
  await row(nurse, "李晚来").getByText("1/2").waitFor();
  await act(nurse, second, { deed: "complete", step: "scan", n: 1 });
  await nurse.locator(".board-row:not(.is-breach)", { hasText: "李晚来" }).waitFor();
  await row(nurse, "张早来").getByRole("link").click();
  await nurse.waitForURL(new RegExp(`/runs/${first}$`));
  await nurse.getByRole("heading", { name: "张早来" }).waitFor();
});

test("a row changes and goes while somebody looks, the others stay as they stand, and who may see none of it sees nothing", async () => {
  const nurse = await window("lin");
  const doctor = await doctorsWindow();
  const leaves = await start(doctor, "何将去");
  await start(doctor, "吕仍在");
  const stranger = await window("gao");
  await stranger.goto("/board");
  await nurse.goto("/board");
  for (const page of [nurse, stranger]) await page.locator(".board:not(.is-partial) .live-live").waitFor();
  expect(await row(stranger, "吕仍在").count()).toBe(0);
  await row(nurse, "何将去").getByText("0/2").waitFor();
  await row(nurse, "吕仍在").evaluate((one) => one.setAttribute("data-same", ""));
  const asked: string[] = [];
  nurse.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await act(doctor, leaves, { deed: "acknowledge", step: "team", n: 1 });
  await row(nurse, "何将去").getByText("1/2").waitFor();
  await act(doctor, leaves, { deed: "cancel", reason: "非卒中" });
  await row(nurse, "何将去").waitFor({ state: "detached" });
  // What happened was read, and nothing besides it: neither the list nor another run.
  expect(asked.filter((path) => path.startsWith("/runs/") || path === "/fhir/Task").every((path) => path === `/runs/${leaves}`)).toBe(true);
  await row(nurse, "吕仍在").and(nurse.locator("[data-same]")).waitFor();
  expect(await stranger.locator(".board-row").count()).toBe(0);
});

test("a case shows what runs at once, does what is open with one touch, and follows what is measured", async () => {
  const doctor = await doctorsWindow();
  const id = await start(doctor, "许同时");
  const phone = await window("lin", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.goto(`/runs/${id}`);
  await doctor.setViewportSize({ width: 1920, height: 1080 });
  await doctor.goto(`/runs/${id}`);
  const lanes = doctor.locator(".at-once");
  await lanes.locator(".at-once-bar.is-ready", { hasText: "头颅CT" }).waitFor();
  await lanes.locator(".at-once-bar.is-ready", { hasText: "抽血送检" }).waitFor();
  const open = phone.locator(".open-steps li", { hasText: "头颅CT" });
  await open.getByRole("button", { name: "完成", exact: true }).tap();
  await open.waitFor({ state: "detached" });
  await lanes.locator(".at-once-bar.is-done", { hasText: "头颅CT" }).waitFor();
  await doctor.locator(".milestones", { hasText: "CT完成" }).waitFor();
  await doctor.getByText("还没有测量记录").waitFor();
  const patient = ((await ask(doctor, "GET", `/runs/${id}`))["patient"] as { reference: string }).reference;
  for (const value of [118, 104]) {
    await ask(phone, "POST", "/fhir/Observation", {
      resourceType: "Observation",
      status: "final",
      category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" }] }],
      code: { coding: [{ system: "http://loinc.org", code: "8867-4" }] },
      subject: { reference: patient },
      effectiveDateTime: new Date(Date.now() - value * 1000).toISOString(),
      valueQuantity: { value, unit: "/min", system: "http://unitsofmeasure.org", code: "/min" },
    });
  }
  await doctor.locator(".vitals-trend", { hasText: "↓ 118" }).waitFor();
  await doctor.screenshot({ path: join(pictures, "case.png") });
  await phone.screenshot({ path: join(pictures, "case-phone.png") });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide).toBe(0);
});

test("while the line is cut every row says so, nothing looks calm, and what happened meanwhile is there afterwards", async () => {
  const nurse = await window("lin");
  const doctor = await doctorsWindow();
  const ended = await start(doctor, "陈将止");
  const changed = await start(doctor, "周将变");
  await nurse.goto("/board");
  await row(nurse, "陈将止").waitFor();
  await row(nurse, "周将变").waitFor();
  await nurse.locator(".live-live").waitFor();
  await nurse.context().setOffline(true);
  await nurse.locator(".board.is-lost").waitFor();
  await nurse.getByText(/断线：画面停在 \d\d:\d\d:\d\d/).waitFor();
  expect(await nurse.locator(".board-row:not(.is-stale)").count()).toBe(0);
  expect(await nurse.locator(".live-live").count()).toBe(0);
  await nurse.screenshot({ path: join(pictures, "board-cut.png") });
  // A clock goes on by itself: what falls due while nobody is told is late all the same.
  await act(doctor, ended, { deed: "cancel", reason: "非卒中" });
  await correct(doctor, changed, 70);
  const late = await start(doctor, "吴新来");
  await nurse.context().setOffline(false);
  await row(nurse, "吴新来").waitFor();
  await row(nurse, "陈将止").waitFor({ state: "detached" });
  await nurse.locator(".board-row.is-breach", { hasText: "周将变" }).waitFor();
  await nurse.locator(".live-live").waitFor();
  expect(await nurse.locator(".board-row.is-stale").count()).toBe(0);
  expect(late).not.toBe("");
});

test("on a wall names are shortened, drills are told apart, and everybody has a page", async () => {
  const doctor = await doctorsWindow();
  for (const name of ["郑一", "钱二", "孙三", "冯四", "卫五", "蒋六", "沈七", "韩八"]) await start(doctor, name);
  await start(doctor, "演员九", true);
  const wall = await window("lin", { viewport: { width: 1920, height: 1080 }, colorScheme: "dark" });
  await wall.goto("/board?wall=1");
  await wall.locator(".board:not(.is-partial) .live-live").waitFor();
  const told = await wall.locator(".board-foot").innerText();
  const all = Number(/共 (\d+) 例/.exec(told)?.[1]);
  expect(all).toBeGreaterThan(8);
  const seen = new Set<string>();
  const pages = Number(/\/(\d+) 页/.exec(told)?.[1]);
  for (let page = 0; page < pages; page += 1) {
    for (const href of await wall.locator(".board-link").evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).pathname))) seen.add(href);
    const lowest = await wall.locator(".board-row").last().boundingBox();
    expect((lowest?.y ?? 0) + (lowest?.height ?? 0)).toBeLessThanOrEqual(1080);
    await wall.keyboard.press("ArrowRight");
  }
  expect(seen.size).toBe(all);
  const drill = wall.locator(".board-row.is-drill");
  for (let page = 0; page < pages && (await drill.count()) === 0; page += 1) await wall.keyboard.press("ArrowRight");
  await drill.getByText("演练").waitFor();
  await wall.locator(".board-head", { hasText: "演练 1 例另计" }).waitFor();
  const text = await wall.locator(".board").innerText();
  expect(text).not.toMatch(/郑一|韩八|演员九/);
  await wall.screenshot({ path: join(pictures, "board-wall.png") });
  // From four metres: what is wrong is told by a sign, by its size and in words, also when nothing is heard any more.
  expect(await unreadable(wall)).toEqual([]);
  await wall.context().setOffline(true);
  await wall.locator(".board.is-lost").waitFor();
  await wall.screenshot({ path: join(pictures, "board-wall-lost.png") });
  expect(await unreadable(wall)).toEqual([]);
  expect((await wall.locator(".board-lost").boundingBox())?.width).toBeGreaterThan(1_500);
});
