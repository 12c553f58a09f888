import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { be, keep, password, play, wear } from "../src/stage";

const { window } = play();

const find = async (page: Page, typed: string) => {
  await page.locator("#finder").fill(typed);
  await page.locator(".answer:not(.is-behind)").waitFor();
};
const names = (page: Page) => page.locator(".person-name").allInnerTexts();

async function record(page: Page, systolic: string, diastolic: string): Promise<void> {
  await page.getByRole("button", { name: "录入体征" }).click();
  await page.getByLabel("收缩压").fill(systolic);
  await page.getByLabel("舒张压").fill(diastolic);
  await page.getByRole("button", { name: "保存", exact: true }).click();
}

test("a wrong password is refused with a reason, and one that was handed out is replaced before the door opens", async () => {
  const page = await window();
  await page.goto("/patients/shan");
  const enter = page.getByRole("button", { name: "登录", exact: true });
  await page.getByLabel("登录名").fill("lin");
  await page.getByLabel("密码").fill("wrong");
  await enter.click();
  await page.getByText("登录名或密码不正确").waitFor();
  await page.getByLabel("密码").fill(password);
  await enter.click();
  await page.getByRole("heading", { name: "请更换密码" }).waitFor();
  const change = async (chosen: string) => {
    await page.getByLabel("新密码", { exact: true }).fill(chosen);
    await page.getByLabel("再输一遍新密码").fill(chosen);
    await page.getByRole("button", { name: "确定修改" }).click();
  };
  await change("qinghe");
  await page.getByText("新密码太短，至少 8 位。").waitFor();
  await change("Songtao-8-Qiao");
  // Who was on the way to a patient arrives there.
  await page.getByRole("heading", { name: "单小雨" }).waitFor();
  await page.getByText("示范县医院 · 护士").waitFor();
});

test("one's other sessions are listed and ended", async () => {
  const [here, there] = [await window("ma"), await window("ma")];
  await here.goto("/settings");
  const others = here.getByRole("button", { name: "退出该登录" });
  await others.first().waitFor();
  for (let left = await others.count(); left > 0; left -= 1) {
    await others.first().click();
    await here.waitForFunction((count) => document.querySelectorAll(".lines button").length === count, left - 1);
  }
  // What was on that screen is kept behind the door, out of sight.
  await there.locator("#finder").fill("qiu");
  await there.getByText("的登录已因闲置或到时结束").waitFor();
  expect(await there.locator("#finder").isVisible()).toBe(false);
});

test("a screen that nobody uses warns a minute before its session ends, and stays when told to", async () => {
  const page = await window();
  await page.clock.install();
  await be(page, "lin");
  await page.locator("#finder").waitFor();
  await page.clock.fastForward("14:30");
  await page.getByText("秒后将自动退出").waitFor();
  await page.getByRole("button", { name: "继续使用" }).click();
  await page.getByText("秒后将自动退出").waitFor({ state: "detached" });
});

test("a session that ends keeps what was typed, and gives it back to whom it is of", async () => {
  const page = await window("lin");
  await page.goto("/patients/xie");
  await page.getByRole("button", { name: "录入体征" }).click();
  await page.getByLabel("收缩压").fill("121");
  await page.getByLabel("舒张压").fill("77");
  // Whatever else the screen asks for may hear of the end first and hide the form; saving meets it either way.
  const save = page.getByRole("button", { name: "保存", exact: true, includeHidden: true });
  await save.waitFor();
  await page.context().clearCookies();
  await save.dispatchEvent("click");
  await page.getByText("的登录已因闲置或到时结束").waitFor();
  // Nothing of the patient is to be seen meanwhile.
  expect(await page.getByText("解春晓").filter({ visible: true }).count()).toBe(0);
  await page.locator("[data-login=lin]").click();
  await page.getByRole("heading", { name: "解春晓" }).waitFor();
  expect(await page.getByLabel("收缩压").inputValue()).toBe("121");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.locator(".entry", { hasText: "121/77 mmHg" }).waitFor();
});

test("a refusal on its way since the session before does not end the one after it", async () => {
  const page = await window("lin");
  await page.goto("/patients/xie");
  await page.getByRole("button", { name: "录入体征" }).click();
  await page.getByLabel("收缩压").fill("122");
  await page.getByLabel("舒张压").fill("78");
  const save = page.getByRole("button", { name: "保存", exact: true, includeHidden: true });
  let release = () => {};
  const isHeld = new Promise<void>((held) => {
    void page.route("**/fhir/**", (route) => {
      if (route.request().method() !== "POST") return route.continue();
      const released = new Promise<void>((go) => (release = go));
      held();
      return released.then(() => route.fulfill({ status: 401, body: "" }));
    });
  });
  await save.dispatchEvent("click");
  await isHeld;
  await page.context().clearCookies();
  // Another tab, or the screen's own look at who is signed in, hears of the end first.
  await page.evaluate(() => new BroadcastChannel("qingshan.session").postMessage("changed"));
  await page.getByText("的登录已因闲置或到时结束").waitFor();
  await page.locator("[data-login=lin]").click();
  await page.getByRole("heading", { name: "解春晓" }).waitFor();
  const refused = page.waitForResponse((answer) => answer.status() === 401);
  release();
  await refused;
  await page.unroute("**/fhir/**");
  await save.click();
  await page.locator(".entry", { hasText: "122/78 mmHg" }).waitFor();
});

test("whoever holds two posts chooses one, sees which, and changes it at the top of every screen", async () => {
  const page = await window("wu");
  await page.getByRole("heading", { name: "今天在哪里上班？" }).waitFor();
  await wear(page, "示范县医院");
  const worn = page.getByLabel("当前工作岗位");
  expect(await worn.locator("option:checked").innerText()).toBe("示范县医院 · 医生");
  await worn.selectOption({ label: "示范镇卫生院 · 家庭医生" });
  await page.locator("#post option:checked", { hasText: "家庭医生" }).waitFor({ state: "attached" });
  await page.reload();
  await page.locator("#finder").waitFor();
  expect(await worn.locator("option:checked").innerText()).toBe("示范镇卫生院 · 家庭医生");
});

test("a card that is read on any screen opens its owner's record, and leaves no trace in a field", async () => {
  const page = await window("lin");
  await page.goto("/patients/new");
  const family = page.getByLabel("姓", { exact: true });
  await family.focus();
  await page.evaluate(() => {
    for (const key of [..."HC-0004", "Enter"]) {
      document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
  });
  await page.getByRole("heading", { name: "解春晓" }).waitFor();
});

test("people whose records were opened are offered again", async () => {
  const page = await window("lin");
  await page.goto("/patients/qiu");
  await page.getByRole("heading", { name: "仇建安" }).waitFor();
  await page.goto("/");
  await page.getByRole("heading", { name: "最近打开" }).waitFor();
  expect(await names(page)).toEqual(["仇建安"]);
});

test("people are found by characters, by sound, by initials, by number and by telephone", async () => {
  const page = await window("lin");
  const shan = ["单小雨", "单小雨"];
  for (const [typed, found] of [
    ["单小", shan],
    ["shan xiao yu", shan],
    ["sxy", shan],
    ["qiujianan", ["仇建安"]],
    ["oymy", ["欧阳明远"]],
    ["HC-0004", ["解春晓"]],
    ["qiu 1949", ["仇建安"]],
    ["19490228", ["仇建安"]],
    ["139 0000 0003", ["仇建安"]],
    ["999999195804120029", []],
  ] as const) {
    await find(page, typed);
    await page.waitForFunction(
      (count) => document.querySelectorAll(".person").length === count,
      found.length,
    );
    expect(await names(page), typed).toEqual(found);
  }
  await page.getByText("没有找到").waitFor();
});

test("namesakes are pointed out", async () => {
  const page = await window("lin");
  await find(page, "单小雨");
  await page.getByText("有同名患者，请核对出生日期和证件号").waitFor();
});

test("the keyboard alone leads from anywhere to a patient and back to the same list", async () => {
  const page = await window("lin");
  await page.goto("/patients/new");
  await page.getByRole("heading", { name: "患者建档" }).click();
  await page.keyboard.press("/");
  await page.locator("#finder").waitFor();
  await page.keyboard.type("qiu");
  await page.locator(".person").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "仇建安" }).waitFor();
  await page.goBack();
  await page.locator(".person").waitFor();
  expect(await page.locator("#finder").inputValue()).toBe("qiu");
});

test("the timeline is one, newest first, in the time of Shanghai, and reads on without a seam", async () => {
  const page = await window("lin");
  await page.goto("/patients/shan");
  await page.locator(".day").first().waitFor();
  const days = () => page.locator(".day h3").allInnerTexts();
  expect((await days()).slice(0, 3)).toEqual(["进行中", "2026-11-20", "2026-11-19"]);
  const pressure = page.locator(".entry", { hasText: "168/96 mmHg" });
  expect(await pressure.innerText()).toContain("07:10");
  expect(await pressure.innerText()).toContain("偏高");
  for (const end = page.getByText("已显示全部记录"); !(await end.isVisible()); ) {
    const before = await page.locator(".entry").count();
    await page.getByRole("button", { name: "加载更早的记录" }).click();
    await page.waitForFunction(
      (count) => document.querySelectorAll(".entry").length > count || document.querySelector(".timeline-end") !== null,
      before,
    );
  }
  const dated = (await days()).slice(1).filter((day) => day !== "日期不详");
  expect(dated).toEqual([...dated].sort().reverse());
  expect(dated).toContain("2016年3月");
  await page.getByRole("button", { name: "诊断" }).click();
  expect(await page.locator(".entry-Condition .entry-title").allInnerTexts()).toEqual([
    "左桡骨远端骨折",
    "2 型糖尿病",
    "原发性高血压 2 级",
  ]);
});

test("what one screen records is seen at once on another", async () => {
  const [writer, reader] = await Promise.all([window("lin"), window("lin")]);
  await Promise.all([writer.goto("/patients/ouyang"), reader.goto("/patients/ouyang")]);
  await Promise.all([writer, reader].map((page) => page.getByText("实时更新中").waitFor()));
  expect(await reader.locator(".entry").count()).toBe(0);
  await record(writer, "98", "61");
  const entry = reader.locator(".entry", { hasText: "98/61 mmHg" });
  await entry.waitFor();
  expect(await entry.innerText()).toContain("新");
  await reader.locator(".latest", { hasText: "98/61 mmHg" }).waitFor();
  await writer.getByRole("button", { name: "录入体征" }).click();
  // The same word stands on the page beneath, where a press would close the form again.
  const form = writer.locator("form.vital");
  await form.getByText("体温", { exact: true }).first().click();
  await form.getByLabel("体温", { exact: true }).last().fill("37.4");
  await writer.getByRole("button", { name: "保存", exact: true }).click();
  await reader.locator(".entry", { hasText: "37.4 ℃" }).waitFor();
});

test("an unusual value is asked about once, an impossible one is not taken", async () => {
  const page = await window("lin");
  await page.goto("/patients/qiu");
  await record(page, "1", "90");
  await page.getByText("应在 30 至 320 mmHg 之间").waitFor();
  await page.getByLabel("收缩压").fill("231");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.getByText("数值少见").waitFor();
  await page.getByRole("button", { name: "核对无误，保存" }).click();
  await page.locator(".entry", { hasText: "231/90 mmHg" }).waitFor();
});

test("a screen that lost its line says so and how old it is, and catches up by itself", async () => {
  const [writer, reader] = await Promise.all([window("lin"), window("lin")]);
  await Promise.all([writer.goto("/patients/shan-2"), reader.goto("/patients/shan-2")]);
  await reader.getByText("实时更新中").waitFor();
  await reader.context().setOffline(true);
  const banner = reader.locator(".stale");
  await banner.waitFor();
  expect(await banner.innerText()).toMatch(/网络已断开[\s\S]*截至 \d\d:\d\d:\d\d/);
  await record(writer, "117", "76");
  await writer.locator(".entry", { hasText: "117/76 mmHg" }).waitFor();
  expect(await reader.locator(".entry").count()).toBe(0);
  expect(await reader.getByRole("heading", { name: "单小雨" }).count()).toBe(1);
  await reader.context().setOffline(false);
  await reader.locator(".entry", { hasText: "117/76 mmHg" }).waitFor();
  await banner.waitFor({ state: "detached" });
});

test("a part of a screen that did not arrive leaves the rest in place, and comes by itself, styled, once it can", async () => {
  const page = await window("lin");
  let isGone = true;
  await page.route(/\/assets\/(RunsOf|Suggestions)-[^/]+\.(js|css)$/, (route) => (isGone ? route.abort("internetdisconnected") : route.continue()));
  await page.goto("/patients/shan");
  const notice = page.getByText("这一部分尚未加载出来");
  await notice.first().waitFor();
  await page.getByRole("heading", { name: "单小雨" }).waitFor();
  await page.locator(".entry").first().waitFor();
  await keep(page, "part-missing");
  isGone = false;
  await page.locator(".runs-of").waitFor();
  await expect.poll(() => notice.count()).toBe(0);
  const styles = await page.evaluate(() => [...document.styleSheets].map((sheet) => sheet.href ?? ""));
  expect(styles.filter((href) => href.includes("/assets/Suggestions-"))).toHaveLength(1);
});

test("a measurement entered without a line is kept in the form and written once", async () => {
  const page = await window("lin");
  await page.goto("/patients/xie");
  await page.getByText("实时更新中").waitFor();
  await page.getByRole("button", { name: "录入体征" }).click();
  await page.getByLabel("收缩压").fill("88");
  await page.getByLabel("舒张压").fill("52");
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.getByText("内容还在，尚未保存。").waitFor();
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.locator(".entry", { hasText: "88/52 mmHg" }).waitFor();
  expect(await page.locator(".entry", { hasText: "88/52 mmHg" }).count()).toBe(1);
});

test("a value that is changed after its answer was lost is written as it was changed", async () => {
  const page = await window("lin");
  await page.goto("/patients/xie");
  await page.getByText("实时更新中").waitFor();
  let isLost = false;
  await page.route(/\/fhir\/Observation$/, async (route) => {
    if (route.request().method() !== "POST" || isLost) return route.continue();
    isLost = true;
    await route.fetch();
    await route.abort("connectionreset");
  });
  await record(page, "93", "54");
  await page.getByText("内容还在，尚未保存。").waitFor();
  const form = page.locator("form.vital");
  await form.getByLabel("收缩压").fill("95");
  await form.getByRole("button", { name: "保存", exact: true }).click();
  await page.locator(".entry", { hasText: "95/54 mmHg" }).waitFor();
  expect(await page.locator(".entry", { hasText: "93/54 mmHg" }).count()).toBe(1);
});

test("a new patient is registered once, and a second try leads to the first", async () => {
  const page = await window("lin");
  await page.goto("/patients/new");
  await page.getByRole("button", { name: "保存档案" }).click();
  expect(await page.getByText("必填", { exact: true }).count()).toBe(4);
  await page.getByLabel("姓", { exact: true }).fill("尉迟");
  await page.getByLabel("名", { exact: true }).fill("知秋");
  const card = page.getByLabel("身份证号");
  await card.fill("999999198607210191");
  await page.getByText("校验位不对，请逐位核对。").waitFor();
  await card.fill("99999919860721019x");
  expect(await page.getByLabel("出生日期").inputValue()).toBe("1986-07-21");
  expect(await page.getByLabel("男").isChecked()).toBe(true);
  await page.getByRole("button", { name: "保存档案" }).click();
  await page.getByRole("heading", { name: "尉迟知秋" }).waitFor();
  const first = page.url();
  await page.goto("/");
  await find(page, "ycz");
  await page.locator(".person", { hasText: "999999********019X" }).waitFor();

  await page.goto("/patients/new");
  await page.getByLabel("姓", { exact: true }).fill("尉迟");
  await page.getByLabel("名", { exact: true }).fill("秋");
  await page.getByLabel("身份证号").fill("99999919860721019X");
  await page.getByRole("button", { name: "保存档案" }).click();
  await page.getByRole("link", { name: "打开已有档案：尉迟知秋" }).click();
  await page.getByRole("heading", { name: "尉迟知秋" }).waitFor();
  expect(page.url()).toBe(first);
});

test("somebody without a card is held against people of the same name and birthday", async () => {
  const page = await window("lin");
  await page.goto("/patients/new");
  await page.getByLabel("姓", { exact: true }).fill("欧阳");
  await page.getByLabel("名", { exact: true }).fill("明远");
  await page.getByText("女", { exact: true }).click();
  await page.getByLabel("出生日期").fill("20240520");
  await page.getByRole("button", { name: "保存档案" }).click();
  await page.getByText("请先确认是不是同一人").waitFor();
  await page.getByRole("button", { name: "不是同一人，仍要新建" }).click();
  await page.getByRole("heading", { name: "欧阳明远" }).waitFor();
  expect(page.url()).not.toContain("ouyang");
});

test("what may not be seen is said, and is not shown as nothing", async () => {
  const page = await window("ma");
  await page.goto("/patients/shan");
  await page.getByRole("heading", { name: "单小雨" }).waitFor();
  await page.getByRole("heading", { name: "这份健康档案未向您开放" }).waitFor();
  expect(await page.getByRole("button", { name: "紧急查看" }).count()).toBe(0);
  expect(await page.getByText("还没有记录").count()).toBe(0);
});

test("who closes their record to an institution is obeyed there, until they open it again", async () => {
  const [owner, reader] = await Promise.all([window("shan"), window("lin")]);
  await owner.getByRole("link", { name: "授权管理" }).click();
  await owner.getByLabel("机构或代办人").selectOption({ label: "示范县医院" });
  await owner.getByRole("button", { name: "确定" }).click();
  await owner.getByText("不向 示范县医院 开放").waitFor();
  await reader.goto("/patients/shan");
  await reader.getByText("已决定不向您所在的机构开放健康档案").waitFor();
  expect(await reader.locator(".entry").count()).toBe(0);
  await owner.getByRole("button", { name: "撤销" }).click();
  await owner.getByText("还没有作过决定").waitFor();
  await reader.reload();
  await reader.locator(".entry").first().waitFor();
});

test("an address of nobody says so and leads back", async () => {
  const page = await window("lin");
  await page.goto("/patients/nobody");
  await page.getByText("找不到该记录").waitFor();
  await page.getByRole("link", { name: "返回查找患者" }).click();
  await page.locator("#finder").waitFor();
});

test("signing out leaves nothing of the patient on the screen, also when the page hears of it before it is answered", async () => {
  const page = await window("lin");
  // One who is not in the cast, whom the page to sign in names.
  await page.goto("/patients/qiu");
  await page.getByRole("heading", { name: "仇建安" }).waitFor();
  const enter = page.getByRole("button", { name: "登录", exact: true });
  await page.route("**/auth/sign-out", async (route) => {
    const response = await route.fetch();
    // The session has ended and the page does not know; what it asks next is told so.
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await enter.waitFor();
    expect(await page.getByText("仇建安").count()).toBe(0);
    await route.fulfill({ response });
  });
  await Promise.all([page.waitForResponse("**/auth/sign-out"), page.getByRole("button", { name: "退出登录" }).click()]);
  await enter.waitFor();
  expect(await page.getByText("仇建安").count()).toBe(0);
  await page.reload();
  await page.getByRole("button", { name: "登录", exact: true }).waitFor();
});

for (const [how, end] of [
  ["signed out", (page: Page) => page.getByRole("button", { name: "退出登录" }).click()],
  [
    "was signed out by the clock",
    async (page: Page) => {
      await page.context().clearCookies();
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await page.getByText("的登录已因闲置或到时结束").waitFor();
    },
  ],
] as const) {
  test(`whoever comes after somebody who ${how} begins at their own first screen, and opens no record by it`, async () => {
    const page = await window("lin");
    await page.goto("/patients/xie");
    await page.getByRole("heading", { name: "解春晓" }).waitFor();
    await end(page);
    await page.locator("[data-login=gao]").waitFor();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.locator("[data-login=gao]").click();
    await page.locator("#finder").waitFor();
    expect(new URL(page.url()).pathname).toBe("/find");
    expect(asked.filter((url) => url.includes("xie"))).toEqual([]);
  });
}
