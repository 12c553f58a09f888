import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ask, pictures, play, raise } from "../src/stage";

const line = new URL("../lines/rush", import.meta.url).pathname;
const HOSPITAL = "示范县医院";
const TABLET = { viewport: { width: 1280, height: 800 }, hasTouch: true };
const { window } = play(() => raise([["protocol", "install", line]]));

async function tablet(): Promise<Page> {
  const page = await window("lu", TABLET);
  await page.goto("/ambulance");
  await page.getByRole("button", { name: "卒中绿色通道" }).waitFor();
  return page;
}

const doctor = (): Promise<Page> => window("wu", { at: HOSPITAL });

/** Three touches. */
async function warn(page: Page, sex: string): Promise<void> {
  await page.getByRole("button", { name: "卒中绿色通道" }).click();
  await page.getByRole("button", { name: sex, exact: true }).click();
  await page.getByRole("button", { name: /^发出预警：10 分钟/ }).click();
  await page.locator(".ambulance-drive").waitFor();
}

/** Types a value on the pad. */
async function measure(page: Page, vital: string, ...values: string[]): Promise<void> {
  await page.locator(".ambulance-vital", { hasText: vital }).click();
  for (const [place, value] of values.entries()) {
    for (const key of value) await page.locator(".ambulance-keys").getByRole("button", { name: key, exact: true }).click();
    await page.getByRole("button", { name: place < values.length - 1 ? "下一项" : "保存", exact: true }).click();
  }
}

/** How many the record has of something, asked as whoever is signed in at a page. */
async function total(page: Page, path: string): Promise<number> {
  return (await ask(page, "GET", `/fhir/${path}${path.includes("?") ? "&" : "?"}_summary=count`))["total"] as number;
}

/** How many cases the device keeps. */
function kept(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((done) => {
        const request = indexedDB.open("qingshan.ambulance");
        request.onsuccess = () => {
          const all = request.result.transaction("drives").objectStore("drives").count();
          all.onsuccess = () => done(all.result);
        };
      }),
  );
}

const cases = "Task?_tag=https://qingshan.dev/fhir/CodeSystem/run|root&code=https://qingshan.dev/fhir/CodeSystem/protocol|rush";
const PULSE = "Observation?code=http://loinc.org|8867-4";

test("a warning takes three touches, and whoever accepts it is named on the tablet", async () => {
  const page = await tablet();
  await warn(page, "女");
  await page.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  await page.getByText("网络正常，全部已送达").waitFor();
  const board = await doctor();
  await board.goto("/board");
  await board.locator(".board-row", { hasText: "身份待核" }).waitFor();
  await board.locator(".board-row", { hasText: /预计 \d\d:\d\d 到院/ }).waitFor();
  // When that was said stands beside it.
  await board.locator(".board-told", { hasText: /\d+ (秒|分钟)前报/ }).waitFor();
  await board.locator(".board-row").getByRole("link").click();
  await board.locator(".run-head").waitFor();
  await board.getByRole("link", { name: "接收预警" }).first().click();
  await board.getByRole("button", { name: "接收，准备好" }).click();
  const accepted = page.locator(".ambulance-stages .is-reached", { hasText: "已接收" });
  await accepted.waitFor();
  expect(await accepted.innerText()).toMatch(/\d\d:\d\d · 吴敏 · 接收，准备好/);
  await page.screenshot({ path: join(pictures, "ambulance-accepted.png") });
});

test("scores are made as they are typed, and never of what is missing", async () => {
  const page = await tablet();
  await warn(page, "男");
  const tab = (name: string) => page.locator(".ambulance-tabs button", { hasText: name }).locator("strong");
  const answer = (item: string, choice: string) => page.locator(".ambulance-item", { hasText: item }).getByRole("button", { name: choice, exact: true }).click();
  await answer("口角歪斜", "有 1 分");
  await answer("手臂无力", "有 1 分");
  expect(await tab("FAST").innerText()).toBe("–");
  await page.getByText("还缺 1 项，不出总分").waitFor();
  await answer("言语不清", "无 0 分");
  await page.waitForFunction(() => document.querySelector(".ambulance-tabs strong")?.textContent?.includes("2"));
  await page.locator(".ambulance-tabs button", { hasText: "GCS" }).click();
  await answer("睁眼 E", "E3 呼唤睁眼");
  await answer("言语 V", "V4 对答混乱");
  expect(await tab("GCS").innerText()).toBe("–");
  await answer("运动 M", "M6 遵嘱动作");
  await page.locator(".ambulance-tabs button", { hasText: "GCS" }).getByText("13").waitFor();
  await measure(page, "血压", "172", "95");
  expect(await tab("RTS").innerText()).toBe("–");
  await measure(page, "呼吸", "18");
  await page.locator(".ambulance-tabs button", { hasText: "RTS" }).getByText("12").waitFor();
  await page.getByText("网络正常，全部已送达").waitFor();
  await page.screenshot({ path: join(pictures, "ambulance-scores.png") });
  const sides = await page.locator(".ambulance button:visible").evaluateAll((all) => all.map((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height)));
  expect(Math.min(...sides)).toBeGreaterThanOrEqual(64);
});

test("in a tunnel everything is kept, outlives a killed tab, and is in the record exactly once afterwards", async () => {
  const other = await doctor();
  const before = { cases: await total(other, cases), pulses: await total(other, PULSE), people: await total(other, "Patient") };
  const page = await tablet();
  const context = page.context();
  await context.setOffline(true);
  await warn(page, "男");
  await measure(page, "心率", "118");
  await page.getByText(/无网络，\d 条存在本机/).waitFor();
  await page.getByText("等待网络").waitFor();
  expect(await page.locator(".ambulance-stages .is-reached").count()).toBe(0);
  await page.screenshot({ path: join(pictures, "ambulance-tunnel.png") });
  expect(await total(other, cases)).toBe(before.cases);

  await page.close({ runBeforeUnload: false });
  await context.setOffline(false);
  // The line comes back half: what is sent arrives, and its answer does not.
  const again = await context.newPage();
  const lost = new Set<string>();
  await again.route(/\/(runs|fhir\/Patient|fhir\/Observation)$/, async (route) => {
    const { method, url } = { method: route.request().method(), url: route.request().url() };
    if (method !== "POST" || lost.has(url)) return route.continue();
    lost.add(url);
    await route.fetch();
    await route.abort("connectionreset");
  });
  await again.goto("/ambulance");
  await again.locator(".ambulance-open button").click();
  await again.locator(".ambulance-vital", { hasText: "118" }).waitFor();
  await again.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  await again.getByText("网络正常，全部已送达").waitFor();
  expect(lost.size).toBe(3);
  expect(await total(other, cases)).toBe(before.cases + 1);
  expect(await total(other, PULSE)).toBe(before.pulses + 1);
  expect(await total(other, "Patient")).toBe(before.people + 1);

  await again.getByRole("button", { name: "已交接，结束" }).click();
  await again.getByRole("button", { name: "再按一次，清除本机记录" }).click();
  await again.getByText("发生了什么？").waitFor();
  expect(await kept(again)).toBe(0);
});

test("a tab that is killed in the tunnel comes up again in the tunnel, and goes on there", async () => {
  const other = await doctor();
  const before = { cases: await total(other, cases), pulses: await total(other, PULSE) };
  const page = await tablet();
  const context = page.context();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await warn(page, "女");
  await page.close({ runBeforeUnload: false });
  const again = await context.newPage();
  await again.goto("/ambulance");
  await again.locator(".ambulance-open button").click();
  await again.getByText("等待网络").waitFor();
  await measure(again, "心率", "96");
  await again.getByText(/无网络，4 条存在本机/).waitFor();
  await again.screenshot({ path: join(pictures, "ambulance-cold.png") });
  await context.setOffline(false);
  await again.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  await again.getByText("网络正常，全部已送达").waitFor();
  expect(await total(other, cases)).toBe(before.cases + 1);
  expect(await total(other, PULSE)).toBe(before.pulses + 1);
  await again.getByRole("link", { name: "离开" }).click();
  await again.getByRole("button", { name: "退出登录" }).click();
  await again.locator("form.sign-in").waitFor();
  expect(await again.evaluate(() => localStorage.getItem("qingshan.ambulance.crew"))).toBeNull();
  while ((await kept(again)) > 0) await again.evaluate(() => new Promise((turn) => requestAnimationFrame(turn)));
});
