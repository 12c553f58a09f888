import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { clock, decide, done, keep, minute, owned, reached, refer, row, Screens, settle, take, toWork, told } from "../src/referral";

let screens: Screens;

beforeAll(async () => {
  screens = await Screens.raise();
});
afterEach(() => screens?.clear());
afterAll(() => screens?.close());

const HEART = "示范县医院心内科";
const office = { 转诊办公室: "示范县医院转诊办公室" };

test("a routine referral goes up with a place from the office, and its answer comes back", async () => {
  const [clinic, desk, ward, phone] = await Promise.all([screens.open("fang"), screens.work("jiang"), screens.work("tao"), screens.phone("shan")]);
  await refer(clinic, {
    patient: "shan",
    urgency: "普通",
    to: HEART,
    others: office,
    answers: { 转诊原因: "血压控制不佳", 病情描述: "三联降压药三月，家庭血压仍在 160/96 上下。", 收缩压: "164", 舒张压: "98" },
  });
  await owned(clinic, "心内科");
  await clock(clinic, "送达至查看", /计时中/);
  await told(phone, "您的转诊申请已提交，对方医院正在查看。");
  await phone.getByText(`现在由${HEART}负责`).waitFor();
  await keep(clinic, "run-clinic");

  // Whoever decides reads what the clinic wrote, and how long there is to read it.
  await row(ward, "单小雨", "审核转诊申请").waitFor();
  expect(await row(ward, "单小雨", "审核转诊申请").innerText()).toMatch(/剩 \d+/);
  await take(ward, "单小雨", "审核转诊申请");
  await ward.locator(".papers .answers", { hasText: "家庭血压仍在 160/96 上下" }).first().waitFor();
  await ward.locator(".task-clocks", { hasText: "送达至查看" }).waitFor();
  await keep(ward, "review");
  await decide(ward, "接收", { asks: true });
  await done(ward);
  await reached(clinic, "已接收");
  await owned(clinic, "心内科");
  await told(phone, "对方医院同意接收您，正在安排号源或床位。");

  await take(desk, "单小雨", "落实号源、床位或检查");
  await keep(desk, "reserve");
  await decide(desk, "无需预约，约定到诊时间", {
    answers: { 开始时间: minute(24 * 60), 结束时间: minute(24 * 60 + 30), 告知患者: "门诊楼三楼心内科 5 诊室，先到一楼转诊窗口报到。" },
  });
  await done(desk);
  await told(phone, "号源或床位已落实，您的医生会把时间和地点告诉您。");
  await clock(clinic, "预约保留", /计时中/);
  await clinic.locator(".run-yours a", { hasText: "告知患者时间地点" }).click();
  await clinic.locator(".papers .answers", { hasText: "门诊楼三楼心内科 5 诊室" }).waitFor();
  await decide(clinic, "已告知，患者同意", {
    asks: true,
    answers: { "已告知时间、地点、所带物品和费用": "是", 同意前往: "是", 同意人: "患者本人" },
  });
  await clinic.locator(".task-done").waitFor();
  await told(phone, "您的就诊时间和地点已确定，请按时前往，带好身份证和医保卡。");
  await phone.locator(".under-way-booked", { hasText: `${minute(24 * 60).slice(0, 10)}` }).waitFor();
  await phone.locator(".under-way-booked", { hasText: "先到一楼转诊窗口报到" }).waitFor();
  await keep(phone, "phone-confirmed");

  await settle(desk, "单小雨", "登记到诊", "完成");
  await told(phone, "您已到达接收机构。");
  await settle(ward, "单小雨", "填写转诊回复", "完成", {
    answers: {
      诊断: "原发性高血压 2 级",
      主要检查结果: "动态血压均值 152/92 mmHg，血钾正常。",
      诊治经过: "调整为缬沙坦氨氯地平，晨服。",
      转归: "好转",
      对基层的建议: "两周后复查血压，目标低于 140/90。",
      后续安排: "转回基层继续管理",
      咨询医生及电话: "陶然 0799-0000110",
    },
  });
  await told(phone, "本次诊治结果已反馈给您的医生。");
  await toWork(clinic);
  await take(clinic, "单小雨", "阅看转诊回复");
  await clinic.locator(".papers").getByRole("button", { name: "查看" }).last().click();
  await clinic.locator(".papers .answers", { hasText: "目标低于 140/90" }).waitFor();
  await decide(clinic, "完成");
  await done(clinic);
  await settle(clinic, "单小雨", "两周内核实转诊结果", "完成", { answers: { 核实结果: "已就诊，诊断明确", 后续管理: "纳入高血压患者管理，两周后随访。" } });
  await phone.locator(".under-way details summary").first().click();
  await told(phone, "本次转诊已完成。");
  await keep(phone, "phone-done");
});
