import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { answerAll, at, expected, history, look, machines, open, Systems, told, touch, type Run } from "../src/drill";
import { textOf } from "../src/pdf";
import { decide, fill } from "../src/referral";
import { ask, pictures, play, raise } from "../src/stage";

const drill = (name: string) => new URL(`../drill/${name}`, import.meta.url).pathname;
// Nobody signs in anew within the two hours that pass in a minute.
const settings = "[sign_in]\nidle_minutes = 600\nsession_hours = 24\ntoken_seconds = 36000\n";
const show = play(() => {
  const before = [
    ["import", drill("people.json")],
    ["account", "import", drill("accounts.ndjson")],
  ];
  return raise(before, { clock: at(-46), machines, settings });
});
const { window } = show;

/** A run, as whoever is signed in at a page is told it. */
const run = async (page: Page, id: string): Promise<Run> => (await ask(page, "GET", `/runs/${id}`)) as unknown as Run;

/** Opens a step, presses one of its outcomes, and waits until it is done. */
async function choose(page: Page, run: string, title: string, outcome: string): Promise<void> {
  await open(page, run, title);
  await decide(page, outcome);
  await page.locator(".task-done").waitFor();
}

test("at two in the morning nine people and eight systems bring somebody of eighty through in 81 minutes, and nobody types a time", async () => {
  const wide = { viewport: { width: 1920, height: 1080 }, colorScheme: "dark" as const };
  const tablet = { viewport: { width: 1280, height: 800 }, hasTouch: true };
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  const [chief, dispatcher, paramedic, nurse, doctor, neurologist, imaging, laboratory, intervention] = await Promise.all([
    window("zong", wide),
    window("hao"),
    window("lu", tablet),
    window("lin"),
    window("wu", { at: "示范县医院" }),
    window("ji", phone),
    window("tang"),
    window("yan"),
    window("qin"),
  ] as const);
  await chief.goto("/board?wall=1");
  const row = chief.locator(".board-row");

  // On the road.
  await paramedic.goto("/ambulance");
  await show.stage.pass(at(-20));
  await paramedic.getByRole("button", { name: "卒中", exact: true }).click();
  await paramedic.getByRole("button", { name: "男", exact: true }).click();
  await paramedic.getByRole("button", { name: "80–89岁" }).click();
  for (let times = 0; times < 5; times += 1) await paramedic.getByRole("button", { name: "减一岁" }).click();
  await paramedic.getByRole("button", { name: /^发出预警：20 分钟后到示范县医院/ }).click();
  await paramedic.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  await row.getByText("20 分钟").first().waitFor();
  await row.getByText("未收到车辆位置").waitFor();
  const href = await row.locator(".board-link").getAttribute("href");
  const emergency = href?.split("/").pop() ?? "";
  const systems = new Systems(show.stage, (await run(nurse, emergency)).patient.reference);
  await systems.dispatch({ called: -46, dispatched: -44, "on-scene": -33, contact: -32, departed: -20, "last-known-well": -50 });
  await show.stage.pass(at(-20));
  await look(dispatcher, emergency);

  await show.stage.pass(at(-19));
  // Two take the warning, and one of them has not heard of the other: it is told who was first.
  await doctor.route("**/live?*", (route) => route.abort());
  await open(doctor, emergency, "接收院前预警");
  await choose(nurse, emergency, "接收院前预警", "接收");
  await decide(doctor, "接收");
  await doctor.getByRole("alert").getByText("林静先一步办结了：接收").waitFor();
  await doctor.unroute("**/live?*");
  await paramedic.locator(".ambulance-stages .is-reached", { hasText: "已接收" }).waitFor();
  await dispatcher.locator(".milestones strong", { hasText: "已接收" }).waitFor();
  await show.stage.pass(at(-18));
  await touch(nurse, emergency, "一键启动专病团队", "卒中");
  const stroke = (await run(nurse, emergency)).steps.find(({ code }) => code === "run-stroke")?.run ?? "";
  await show.stage.pass(at(-17));
  await touch(neurologist, stroke, "卒中团队应答", "我已知悉");
  await touch(imaging, stroke, "影像科应答", "我已知悉");
  await touch(laboratory, stroke, "检验科应答", "我已知悉");
  for (const minute of [-14, -9.5, -5, -1]) {
    await show.stage.pass(at(minute));
    await systems.value("monitor", "8867-4", minute, 88, "/min");
  }
  await systems.value("monitor", "15074-8", -1, 7.1, "mmol/L");

  // At the door, everything at once.
  await show.stage.pass(at(0));
  await systems.visited("arrived", 0);
  await show.stage.pass(at(0));
  await row.getByText("到院").first().waitFor();
  await chief.screenshot({ path: join(pictures, "drill-door.png") });
  await show.stage.pass(at(1));
  await touch(neurologist, stroke, "卒中医生到床旁", "完成");
  await show.stage.pass(at(2));
  await systems.visited("triaged", 2);
  await show.stage.pass(at(3));
  await systems.drawn(3);
  await systems.visited("in-progress", 3);
  await show.stage.pass(at(4));
  await systems.value("pacs", "29463-7", 4, 62, "kg");
  await show.stage.pass(at(6));
  await open(nurse, emergency, "院前院内交接（双方签字）");
  await fill(nurse, {
    "身份或临时编号已核对": "是",
    经过与机制: "在家突发不能说话、右侧无力，家属呼救。",
    到院时生命体征: "心率88次/分，血压168/92 mmHg",
    院前处置: "吸氧，开通左上肢静脉",
    "院前用药（剂量、时间）": "无",
    管路与固定: "左上肢静脉通路一条",
    随身物品: "无",
    交方签名: "陆行",
    接方签名: "林静",
  });
  await decide(nurse, "完成");
  await nurse.locator(".task-done").waitFor();
  await show.stage.pass(at(9));
  const study = await systems.pictures(9, "头颅CT平扫");
  await show.stage.pass(at(11));
  await look(doctor, stroke);
  await doctor.locator(".at-once").waitFor();
  await open(neurologist, stroke, "NIHSS评分");
  await answerAll(neurologist, 0, { "4 面瘫": 2, "5b 右上肢": 3, "6b 右下肢": 3, "8 感觉": 1, "9 语言": 3, "10 构音": 1 });
  await neurologist.locator(".form-question", { hasText: "总分" }).getByText("13").waitFor();
  await decide(neurologist, "完成");
  await neurologist.locator(".task-done").waitFor();
  await show.stage.pass(at(14));
  await systems.reported(14, study);
  await show.stage.pass(at(15));
  await open(neurologist, stroke, "CT判读");
  await fill(neurologist, { 所见: "未见出血，左侧大脑中动脉高密度征" });
  await decide(neurologist, "未见出血");
  await neurologist.locator(".task-done").waitFor();
  await show.stage.pass(at(16));
  await systems.pressure(16, 168, 92);
  await show.stage.pass(at(17));
  await look(neurologist, stroke);
  await neurologist.locator(".open-steps li", { hasText: "溶栓知情同意谈话" }).getByRole("link").first().click();
  await neurologist.getByRole("button", { name: "我来办理" }).click();
  await neurologist.getByRole("button", { name: "我来办理" }).waitFor({ state: "detached" });
  await show.stage.pass(at(19));
  await systems.signed(19);
  await show.stage.pass(at(20));
  await open(neurologist, stroke, "溶栓核查（适应证、禁忌证）");
  await answerAll(neurologist, 1, { 缺血性卒中引起的: 0, 最后正常至今: 0, "年龄≥18岁": 0, 患者或家属同意: 0 });
  await decide(neurologist, "符合溶栓条件");
  await neurologist.locator(".task-done").waitFor();
  await show.stage.pass(at(23));
  await systems.given(23);
  await show.stage.pass(at(23));
  await look(doctor, stroke);
  await doctor.locator(".clocks > li", { hasText: "到院至溶栓（DNT）" }).filter({ hasText: /按时/ }).first().waitFor({ state: "attached" });
  await doctor.screenshot({ path: join(pictures, "drill-needle.png") });

  // While the drug runs: the vessel.
  await show.stage.pass(at(27));
  await systems.value("laboratory", "6301-6", 27, 1, "{INR}");
  await systems.value("laboratory", "777-3", 27, 212, "10*9/L");
  await systems.pictures(27, "头颈CTA");
  await show.stage.pass(at(33));
  await choose(doctor, stroke, "有无大血管闭塞", "闭塞，本院取栓");
  await show.stage.pass(at(34));
  await touch(intervention, stroke, "神经介入团队应答", "我已知悉");
  await show.stage.pass(at(37));
  await choose(intervention, stroke, "取栓知情同意", "同意");
  for (const [minute, code] of [[45, "lab-ready"], [52, "puncture"], [76, "reperfusion"], [81, "procedure-end"]] as const) {
    await show.stage.pass(at(minute));
    await systems.performed(minute, code);
  }
  await show.stage.pass(at(81));
  await row.getByText("81 分钟").or(row.getByText("1 小时 21 分")).first().waitFor();
  await chief.screenshot({ path: join(pictures, "drill-end.png") });

  const runs = await Promise.all([emergency, stroke].map((id) => run(nurse, id)));
  await writeFile(join(pictures, "drill-history.json"), told(history(runs)));
  expect(history(runs)).toEqual(expected);
  // A time is that of its source, or of the press itself, or of the case for its pathway; none was put in or put right by hand.
  const ofCase = new Map(runs[0]?.milestones.map(({ code, at }) => [code, at]));
  for (const { code, at, recorded, source, reason } of runs.flatMap(({ milestones }) => milestones)) {
    expect(reason).toBeUndefined();
    if (source === undefined || source.startsWith("QuestionnaireResponse/")) expect([recorded, ofCase.get(code)]).toContain(at);
  }
  const late = runs.flatMap(({ clocks }) => clocks).filter(({ level }) => level === "breach" || level === "late");
  expect(late).toEqual([]);
});

test("the month's report counts the case, leads to it, and is printed and saved", async () => {
  const page = await window("zong");
  await page.goto("/protocols/stroke?view=month&month=2026-11&institution=county");
  const line = (title: string) => page.locator(".sheet tbody tr").filter({ has: page.getByText(title, { exact: true }) });
  await line("卒中救治例数").locator("td", { hasText: "1" }).first().waitFor();
  expect(await line("DNT≤60分钟比例").innerText()).toMatch(/1\s+1\s+100 %\s+–\s+≥ 75 %\s+达标/);
  expect(await line("DNT中位数").innerText()).toMatch(/23 分钟/);
  expect(await line("DPT中位数").innerText()).toMatch(/52 分钟/);
  await line("DNT≤60分钟比例").getByRole("button").first().click();
  await page.locator(".month-behind .behind a").first().waitFor();
  await page.screenshot({ path: join(pictures, "month.png"), fullPage: true });
  await page.getByRole("button", { name: "前一个月" }).click();
  await page.locator(".sheet h1", { hasText: "2026年10月" }).waitFor();
  await page.getByLabel("月份").selectOption({ label: "2026年11月" });
  await line("DNT中位数").getByText("23 分钟").waitFor();
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "导出病例明细（CSV）" }).click()]);
  const pieces: Buffer[] = [];
  for await (const piece of await saved.createReadStream()) pieces.push(piece as Buffer);
  const [head = "", row = ""] = Buffer.concat(pieces).toString("utf8").split("\r\n");
  expect(head).toContain("发病（或最后正常）时间");
  expect(row).toContain("2026-11-23 02:43");
  const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: false });
  await writeFile(join(pictures, "month.pdf"), pdf);
  const paper = (await textOf(pdf)).join("").normalize("NFKC").replace(/\s/g, "");
  for (const said of ["示范县医院", "卒中急救质控月报", "DNT中位数", "23分钟", "达标", "审核人"]) expect(paper).toContain(said);
  expect(paper).not.toContain("导出病例明细");
  expect(paper).not.toContain("点击分子");
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await page.screenshot({ path: join(pictures, "month-phone.png"), fullPage: true });
  await page.setViewportSize({ width: 1366, height: 768 });
  await page.getByRole("button", { name: "切换为英文" }).click();
  await page.getByRole("heading", { name: "Acute stroke: monthly report (2026-11)" }).waitFor();
  await page.screenshot({ path: join(pictures, "month-en.png"), fullPage: true });
});

test("an ambulance that was out of reach for twenty minutes is on the board with the times at which everything was done", async () => {
  const page = await window("lu", { viewport: { width: 1280, height: 800 }, hasTouch: true });
  const context = page.context();
  await page.goto("/ambulance");
  await page.getByRole("button", { name: "胸痛", exact: true }).waitFor();
  await context.setOffline(true);
  await page.getByRole("button", { name: "胸痛", exact: true }).click();
  await page.getByRole("button", { name: "女", exact: true }).click();
  await page.getByRole("button", { name: /^发出预警：30 分钟/ }).click();
  await page.getByText("等待网络").waitFor();
  await page.locator(".ambulance-vital", { hasText: "心率" }).click();
  for (const key of ["9", "6"]) await page.locator(".ambulance-keys").getByRole("button", { name: key, exact: true }).click();
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.locator(".ambulance-vital", { hasText: "96" }).waitFor();
  await show.stage.pass(at(101));
  await context.setOffline(false);
  await page.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  await page.getByText("网络正常，全部已送达").waitFor();
  await show.stage.pass(at(101));
  const board = await window("lin");
  await board.goto("/board");
  const row = board.locator(".board-row", { hasText: "胸痛" });
  await row.getByText("10 分钟").first().waitFor();
  const id = (await row.locator(".board-link").getAttribute("href"))?.split("/").pop() ?? "";
  const { milestones, patient } = await run(board, id);
  expect(Date.parse(milestones.find(({ code }) => code === "sent")?.at ?? "")).toBe(at(101));
  const found = await show.stage.ask("dispatch", "GET", `/fhir/Observation?patient=${patient.reference}&code=http://loinc.org|8867-4`);
  const measured = (found["entry"] as { resource: { effectiveDateTime: string } }[]).map(({ resource }) => Date.parse(resource.effectiveDateTime));
  expect(measured).toEqual([at(81)]);
});
