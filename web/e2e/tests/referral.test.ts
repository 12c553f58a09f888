import { expect, test } from "vitest";
import { clock, decide, done, fill, heard, keep, minute, owned, press, reached, refer, row, settle, take, toWork, told, usual, screensOf } from "../src/referral";

const screens = screensOf("referral");

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
  await row(ward, "单小雨", "审核转诊申请").filter({ hasText: /剩 \d+/ }).waitFor();
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
  await told(phone, "号源或床位已为您落实，时间和地点由医生告知您。");
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

test("an urgent referral is asked for what is missing, held meanwhile, and answered", async () => {
  const [clinic, desk, ward, phone] = await Promise.all([screens.open("fang"), screens.work("jiang"), screens.work("tao"), screens.phone("qiu")]);
  await refer(clinic, {
    patient: "qiu",
    urgency: "加急",
    to: HEART,
    others: office,
    answers: { 转诊原因: "劳累后胸闷三天", 病情描述: "爬楼后胸闷，休息五分钟缓解。" },
  });
  await row(desk, "仇建安", "审核转诊申请").waitFor();
  await take(ward, "仇建安", "审核转诊申请");
  await decide(ward, "要求补充资料", { asks: true, answers: { 需要补充什么: "近一周血压记录和既往心电图" } });
  await done(ward);
  await owned(clinic, "示范镇卫生院");
  await reached(clinic, "要求补充资料");
  await clock(clinic, "查看至接收或退回", /暂停计时/);
  await clock(clinic, "补充资料", /计时中/);
  await row(desk, "仇建安", "审核转诊申请").waitFor({ state: "detached" });
  await told(phone, "对方医院需要补充一些资料，您的医生正在处理。");
  await phone.getByText("现在由示范镇卫生院负责").waitFor();

  await clinic.locator(".run-blocking a", { hasText: "补充资料" }).click();
  await clinic.locator(".papers .answers", { hasText: "近一周血压记录和既往心电图" }).waitFor();
  await keep(clinic, "answer");
  await decide(clinic, "完成", { answers: { 答复: "近一周 150–168/90–96 mmHg，心电图同前。" } });
  await clinic.locator(".task-done").waitFor();
  await told(phone, "您的医生已补充资料，对方医院继续审核。");
  await take(ward, "仇建安", "审核转诊申请");
  await ward.locator(".papers .answers", { hasText: "心电图同前" }).waitFor();
  await ward.getByText("还可选 2 次").waitFor();
  await decide(ward, "接收", { asks: true });
  await ward.locator(".task-done").waitFor();
  await clinic.getByRole("link", { name: "查看流程" }).click();
  await owned(clinic, "心内科");
  await told(phone, "对方医院同意接收您，正在安排号源或床位。");
});

test("an emergency child finds bed, team and equipment ready, and comes back down with a plan that is carried out", async () => {
  const [clinic, desk, ward, doctor, nurse, mother] = await Promise.all([
    screens.open("fang"),
    screens.work("jiang"),
    screens.work("luo"),
    screens.work("pei"),
    screens.work("zeng"),
    screens.phone("ou"),
  ]);
  const child = "欧阳明远";
  await refer(clinic, {
    patient: "ouyang",
    urgency: "急诊（绿色通道）",
    to: "示范县医院儿科",
    others: { ...office, 接诊团队: "示范县医院急诊科", 总值班: "示范县医院" },
    answers: {
      转诊类别: "急诊抢救",
      转诊原因: "高热惊厥持续",
      病情描述: "发热一天，抽搐八分钟未止，已予地西泮、吸氧。",
      体温: "39.8",
      血氧饱和度: "91",
      前往方式: "120急救车",
      预计到达时间: minute(50),
      签署人: "父母",
    },
  });
  await told(mother, "已为您开通绿色通道，对方医院正在提前准备床位和医护人员。");
  await row(ward, child, "审核转诊申请").waitFor();
  await row(desk, child, "备床").waitFor();
  await row(nurse, child, "团队到位").filter({ hasText: /剩 \d+ (分钟|秒)/ }).waitFor();

  // Two must say that they are there; one who says it twice is one.
  for (const page of [nurse, doctor]) {
    await take(page, child, "团队到位");
    await page.getByRole("button", { name: "我已知悉" }).click();
    await page.locator(".task-seen", { hasText: page === nurse ? "已确认 1/2" : "曾柔" }).waitFor();
  }
  await nurse.locator(".task-seen", { hasText: "已确认 2/2" }).waitFor();
  await keep(nurse, "team");
  await clinic.locator(".acknowledged", { hasText: "裴青" }).waitFor();
  await toWork(nurse);
  await settle(desk, child, "备床", "完成", { answers: { 开始时间: minute(40), 结束时间: minute(170), 告知患者: "急诊楼一楼抢救室，直接送入。" } });
  await settle(ward, child, "审核转诊申请", "接收", { asks: true });
  await settle(nurse, child, "备设备", "完成", { answers: { 已备设备: "心电监护", 备药: "咪达唑仑、甘露醇" } });
  await reached(clinic, "床位、团队、设备均已就绪");
  await owned(clinic, "儿科");
  await clock(clinic, "绿色通道启动至全部就绪", /按时完成|\d+ 秒|已终止|停止/);
  await told(mother, "床位、医护团队和设备都已就绪，到院后直接送入。");
  await keep(mother, "phone-ready");
  await mother.locator(".under-way-call a[href^='tel:']").waitFor();

  await clinic.locator(".run-yours a", { hasText: "登记出发" }).click();
  await decide(clinic, "完成", { answers: { 转运方式: "120急救车", 护送人员: "方宁" } });
  await clinic.locator(".task-done").waitFor();
  await told(mother, "您已在前往接收医院的途中。");
  await settle(desk, child, "登记到诊", "完成");
  await told(mother, "您已到达接收机构。");
  await settle(ward, child, "核对转运过程", "过程平稳");
  await settle(ward, child, "病情稳定，发起下转", "完成", {
    answers: {
      下转主要原因: "病情稳定，治疗方案基层可落实",
      "出院（目前）诊断": "复杂性热性惊厥",
      诊治经过: "止惊、退热，腰穿和头颅影像未见异常，观察五天无再发。",
      目前情况: "体温正常三天，神志清，进食好。",
      出现什么情况: "再次抽搐超过五分钟",
      怎么办: "立即拨打 120，侧卧，不要往嘴里塞东西。",
      日期: minute(14 * 24 * 60).slice(0, 10),
      地点: "示范镇卫生院",
      咨询医生及电话: "罗衣 0799-0000120",
      "已说明转诊理由、去向、费用和风险，患者方同意": "是",
      签署人: "父母",
      同意接收机构查阅与本次转诊有关的健康档案: "是",
    },
  });
  await told(mother, "您的病情已稳定，医生正在为您安排转回社区继续治疗。");

  // The way back is a referral of its own: the two have changed places, and the plan travels with it.
  await toWork(clinic);
  await take(clinic, child, "审核转诊申请");
  await clinic.locator(".papers .answers", { hasText: "再次抽搐超过五分钟" }).first().waitFor();
  await decide(clinic, "接收", { asks: true });
  await clinic.locator(".task-done").waitFor();
  await clinic.getByRole("link", { name: "查看流程" }).click();
  const plan = clinic.locator(".plan");
  await plan.getByText("再次抽搐超过五分钟").waitFor();
  await plan.getByText("执行中").waitFor();
  await keep(clinic, "plan");
  await toWork(clinic);
  await settle(clinic, child, "登记到诊", "完成");
  await told(mother, "您已转回基层，家庭医生会按计划联系您。");
  await row(clinic, child, "家庭医生首次随访").waitFor();
  await row(clinic, child, "家庭医生首次随访").filter({ hasText: /剩 6 天 23 小时/ }).waitFor();
  await take(clinic, child, "家庭医生首次随访");
  await clinic.locator(".task-clocks", { hasText: "下转到诊至首次随访" }).waitFor();
  await keep(clinic, "contact");
  await decide(clinic, "已联系，纳入管理", {
    answers: {
      方式: "上门",
      目前情况: "无发热，未再抽搐。",
      按清单服药: "是",
      有无需立即就医的情况: "否",
      下转计划已纳入管理: "是",
      下次随访: minute(14 * 24 * 60).slice(0, 10),
    },
  });
  await done(clinic);
  await told(mother, "您的家庭医生已与您联系，之后的复查和用药由社区负责。");
  await settle(clinic, child, "按下转计划复查", "已按计划复查", {
    asks: true,
    answers: {
      复查日期: minute(0).slice(0, 10),
      复查结果: "两周无发热、无抽搐，神经系统检查正常。",
      按清单用药: "是",
      目前转归: "治愈",
      今后管理: "结束本次下转计划，按儿童健康管理随访。",
    },
  });
  await told(mother, "本次诊治结果已反馈给您的医生。");
  await settle(ward, child, "阅看转诊回复", "完成");
  await settle(ward, child, "填写转诊回复", "完成", {
    answers: {
      诊断: "复杂性热性惊厥",
      主要检查结果: "脑电图正常。",
      诊治经过: "止惊、退热，观察五天。",
      转归: "好转",
      对基层的建议: "发热早退热，一月后神经科门诊复查。",
      后续安排: "转回基层继续管理",
      咨询医生及电话: "罗衣 0799-0000120",
    },
  });
  await settle(clinic, child, "阅看转诊回复", "完成");
  await settle(clinic, child, "两周内核实转诊结果", "完成", { answers: { 核实结果: "已就诊，诊断明确", 后续管理: "按计划随访。" } });
  await mother.locator(".under-way details summary").filter({ hasText: "最近结束的" }).click();
  await mother.locator(".under-way-now", { hasText: "本次转诊已完成。" }).nth(1).waitFor();
});

test("a refusal names a reason and another place, where the papers go without being written again", async () => {
  const [clinic, ward, city, phone] = await Promise.all([screens.open("fang"), screens.work("tao"), screens.work("gao"), screens.phone("xie")]);
  await refer(clinic, {
    patient: "xie",
    urgency: "普通",
    to: HEART,
    others: office,
    answers: { 转诊原因: "拟行射频消融", 病情描述: "阵发性室上速反复发作，要求射频消融。" },
  });
  await take(ward, "解春晓", "审核转诊申请");
  await decide(ward, "不接收", { asks: true, answers: { 说明: "本院未开展射频消融，建议市医院心内科。" }, reason: "超出本院（科）诊疗范围" });
  await done(ward);
  await owned(clinic, "示范镇卫生院");
  await reached(clinic, "未接收");
  await told(phone, "对方医院暂时不能接收，您的医生会与您商量下一步。");
  await clinic.locator(".run-blocking a", { hasText: "未被接收，决定下一步" }).click();
  await clinic.locator(".papers .answers", { hasText: "建议市医院心内科" }).waitFor();
  await keep(clinic, "after-refusal");
  await decide(clinic, "转往其他机构", { asks: true });
  await clinic.getByLabel("改转到").fill("示范市");
  await clinic.locator(".ant-select-item-option", { hasText: "示范市医院" }).click();
  await decide(clinic, "转往其他机构", { answers: { 说明: "市医院开展射频消融。", 已告知患者并取得同意: "是" } });
  await clinic.locator(".task-done").waitFor();
  await told(phone, "您的转诊申请已提交，对方医院正在查看。");
  await take(city, "解春晓", "审核转诊申请");
  await city.locator(".papers .answers", { hasText: "要求射频消融" }).waitFor();
  await keep(city, "city");
  await city.getByRole("link", { name: "双向转诊", exact: true }).click();
  await owned(city, "示范市医院");
  await city.locator(".chain li").nth(1).waitFor();
});

test("who does not come is called, given another time, and in the end told that the referral is closed", async () => {
  const [clinic, desk, ward, phone] = await Promise.all([screens.open("fang"), screens.work("jiang"), screens.work("tao"), screens.phone("meng")]);
  await refer(clinic, { patient: "meng", urgency: "普通", to: HEART, others: office, answers: { 转诊原因: "心悸待查", 病情描述: "心悸一月，阵发。" } });
  await settle(ward, "孟春生", "审核转诊申请", "接收", { asks: true });
  // A time that is over already: nobody can have come, and nothing need be waited for.
  await settle(desk, "孟春生", "落实号源、床位或检查", "无需预约，约定到诊时间", { answers: { 开始时间: minute(-120), 结束时间: minute(-60) } });
  await reached(clinic, "逾时未到");
  await told(phone, "您没有按约到诊，转诊办公室会电话联系您。");
  await row(desk, "孟春生", "电话追访未到诊患者").waitFor();
  await settle(desk, "孟春生", "电话追访未到诊患者", "重新约时间", { answers: { 电话结果: "已联系上", 记录: "当天陪护有事，同意后天来。" } });
  await told(phone, "已同意为您改约，正在安排新的时间。");
  await settle(desk, "孟春生", "落实号源、床位或检查", "无需预约，约定到诊时间", { answers: { 开始时间: minute(-100), 结束时间: minute(-50) } });
  await settle(desk, "孟春生", "电话追访未到诊患者", "关闭转诊", { answers: { 电话结果: "无人接听", 记录: "三次未接。" }, reason: "多次联系不上" });
  await clinic.locator(".run-head .tag", { hasText: "未能完成" }).waitFor();
  await phone.locator(".under-way details summary").filter({ hasText: "最近结束的" }).click();
  await told(phone, "本次转诊已关闭。如仍需要，请联系您的医生重新转诊。");
});

test("a patient changes the time on the phone, hears it read out, and a doctor takes the referral back", async () => {
  const [clinic, desk, ward] = await Promise.all([screens.open("fang"), screens.work("jiang"), screens.work("tao")]);
  const phone = await screens.phone("meng", { voice: true });
  await refer(clinic, { patient: "meng", urgency: "普通", to: HEART, others: office, answers: { 转诊原因: "下肢水肿", 病情描述: "双下肢水肿两周。" } });
  await settle(ward, "孟春生", "审核转诊申请", "接收", { asks: true });
  const booked = { 开始时间: minute(48 * 60), 结束时间: minute(48 * 60 + 30) };
  await settle(desk, "孟春生", "落实号源、床位或检查", "无需预约，约定到诊时间", { answers: booked });
  await clinic.locator(".run-yours a", { hasText: "告知患者时间地点" }).click();
  await decide(clinic, "已告知，患者同意", {
    asks: true,
    answers: { "已告知时间、地点、所带物品和费用": "是", 同意前往: "是", 同意人: "患者本人" },
  });
  await clinic.locator(".task-done").waitFor();
  await told(phone, "您的就诊时间和地点已确定");

  await phone.evaluate(() => localStorage.setItem("qingshan.settings", JSON.stringify({ isElder: true })));
  await phone.reload();
  await told(phone, "您的就诊时间和地点已确定");
  await phone.locator(".aloud button").click();
  await expect.poll(() => heard(phone)).toContain("您的就诊时间和地点已确定，请按时前往，带好身份证和医保卡。");
  expect(await heard(phone)).not.toContain("您的转诊申请已提交");
  await keep(phone, "phone-elder");
  await phone.locator(".under-way-you a").click();
  await phone.getByRole("button", { name: "改个时间" }).click();
  await phone.locator(".task-done").waitFor();
  await phone.locator(".task-done", { hasText: "已收到您的改约要求，转诊办公室会尽快给您新的时间。" }).waitFor();
  await keep(phone, "phone-changed");
  await phone.getByRole("link", { name: "返回首页" }).click();
  await row(desk, "孟春生", "落实号源、床位或检查").waitFor();

  await clinic.getByRole("link", { name: "查看流程" }).click();
  await reached(clinic, "要求改约");
  await clinic.getByRole("button", { name: "撤回" }).click();
  await keep(clinic, "take-back");
  await clinic.locator(".dialog .form-scale label", { hasText: "病情好转" }).click();
  await clinic.locator(".dialog").getByRole("button", { name: "撤回" }).click();
  await clinic.locator(".run-head .tag", { hasText: "已取消" }).waitFor();
  await phone.locator(".under-way details summary").filter({ hasText: "最近结束的" }).click();
  await told(phone, "您的医生已撤回本次转诊。");
  await row(desk, "孟春生", "落实号源、床位或检查").waitFor({ state: "detached" });
});

test("a referral is declined by keyboard alone", async () => {
  const [clinic, ward] = await Promise.all([screens.open("fang"), screens.work("tao")]);
  await refer(clinic, { patient: "qin", urgency: "普通", to: HEART, others: office, answers: { 转诊原因: "体检心电图异常", 病情描述: "偶发室性早搏，无症状。" } });
  await row(ward, "秦小满", "审核转诊申请").waitFor();
  await press(ward, "j", row(ward, "秦小满", "审核转诊申请").getByRole("link"));
  await ward.keyboard.press("Enter");
  const decline = ward.locator(".task-grave").getByRole("button", { name: "不接收" });
  await decline.waitFor();
  await press(ward, "Tab", decline);
  await ward.keyboard.press("Enter");
  await ward.locator(".task-chosen").waitFor();
  await press(ward, "Tab", ward.getByLabel("说明"), 1);
  await ward.keyboard.type("无症状的偶发早搏可在社区随访，半年复查动态心电图。");
  await ward.keyboard.press("Control+Enter");
  await ward.locator(".dialog input[type=radio]").first().waitFor();
  await press(ward, "Tab", ward.locator(".dialog input[type=radio]").first(), 1);
  await ward.keyboard.press("3");
  await ward.keyboard.press("Control+Enter");
  await ward.locator(".task-done").waitFor();
  await press(ward, "Tab", ward.getByRole("link", { name: "返回待办" }));
  await ward.keyboard.press("Enter");
  await ward.locator(".work .live-live").waitFor();
  await reached(clinic, "未接收");
});

test("consent that was not given keeps a referral from being sent, and says what to do", async () => {
  const clinic = await screens.open("fang");
  await clinic.goto("/protocols/referral?view=start&patient=qin");
  await clinic.locator(".start-patient").waitFor();
  await clinic.getByText("上转", { exact: true }).click();
  await clinic.getByText("普通", { exact: true }).click();
  await clinic.getByLabel("接收方").selectOption({ label: HEART });
  const refused = { "已说明转诊理由、去向、费用和风险，患者方同意": "否", 同意接收机构查阅与本次转诊有关的健康档案: "否" };
  await fill(clinic, { ...usual, 转诊原因: "活动后气促", 病情描述: "活动后气促一周。", ...refused });
  await clinic.locator(".start-run button[type=submit]").click();
  const faults = clinic.locator(".form-faults");
  await faults.getByText("患者方不同意的不能提交转诊。").waitFor();
  await faults.getByText("未取得单独同意的不能提交。").waitFor();
  await keep(clinic, "no-consent");
  // In an emergency nobody may be there who could consent.
  await fill(clinic, { 签署人: "急诊无法取得，经负责人批准" });
  await faults.waitFor({ state: "detached" });
});

test("a referral whose patient gets worse becomes urgent where it is, and whoever looks at it is told why", async () => {
  const [clinic, ward] = await Promise.all([screens.open("fang"), screens.work("tao")]);
  await refer(clinic, { patient: "qin", urgency: "普通", to: HEART, others: office, answers: { 转诊原因: "活动后气促", 病情描述: "活动后气促一周。" } });
  await row(ward, "秦小满", "审核转诊申请").waitFor();
  await clinic.getByRole("button", { name: "调整分级" }).click();
  const asked = clinic.locator(".dialog");
  await asked.getByRole("button", { name: "确定调整" }).click();
  await asked.getByText("请填写").first().waitFor();
  await keep(clinic, "regrade");
  await asked.locator("label", { hasText: "加急" }).click();
  await asked.getByLabel("调整原因").fill("今晨静息时也气促，双下肢水肿。");
  await asked.getByRole("button", { name: "确定调整" }).click();
  await clinic.locator(".run-of", { hasText: "加急" }).waitFor();
  await row(ward, "秦小满", "审核转诊申请").filter({ hasText: "紧急" }).waitFor();
  await take(ward, "秦小满", "审核转诊申请");
  await ward.getByRole("link", { name: "双向转诊", exact: true }).click();
  await ward.locator(".run .lines li", { hasText: "改为加急：今晨静息时也气促，双下肢水肿。" }).waitFor();
  await keep(ward, "regraded");
  await clinic.getByRole("button", { name: "撤回" }).click();
  await clinic.locator(".dialog .form-scale label", { hasText: "填写有误" }).click();
  await clinic.locator(".dialog").getByRole("button", { name: "撤回" }).click();
  await clinic.locator(".run-head .tag", { hasText: "已取消" }).waitFor();
});

test("of two who accept at once one does, and the other is told who was first", async () => {
  const [clinic, one, other] = await Promise.all([screens.open("fang"), screens.work("tao"), screens.work("shi")]);
  await refer(clinic, { patient: "qin", urgency: "加急", to: HEART, others: office, answers: { 转诊原因: "晕厥一次", 病情描述: "晨起晕厥约一分钟，自行恢复。" } });
  // Who looks at their own department alone sees it all the same.
  await one.getByLabel("科室").selectOption({ label: "儿科" });
  await row(one, "秦小满", "审核转诊申请").waitFor({ state: "detached" });
  await one.getByLabel("科室").selectOption({ label: "心内科" });
  for (const page of [one, other]) {
    await take(page, "秦小满", "审核转诊申请");
    await page.getByRole("button", { name: "接收", exact: true }).click();
    await fill(page, { 意见: "收入心内科门诊。" });
  }
  // Neither answer comes before both have pressed; who hears in time that it was done has nothing left to press.
  const pressed: Promise<void>[] = [one, other].map(
    (page) =>
      new Promise((told) => {
        void page.route("**/runs/*/acts", async (route) => {
          if (route.request().postData()?.includes("收入心内科门诊。") !== true) return route.fallback();
          told();
          await Promise.all(pressed);
          return route.continue();
        });
      }),
  );
  await Promise.all([one, other].map((page) => page.locator(".task-outcomes").getByRole("button", { name: "接收", exact: true }).click()));
  const won = (page: typeof one) => page.locator(".task-done");
  const lost = (page: typeof one) => page.locator(".task-over [role=alert]");
  await Promise.all([one, other].map((page) => won(page).or(lost(page)).waitFor()));
  expect(await won(one).count() + await won(other).count()).toBe(1);
  const [late, first] = (await won(one).count()) === 1 ? [other, "陶然"] : [one, "石磊"];
  await lost(late).getByText(`${first}先一步办结了：接收`).waitFor();
  await lost(late).getByText("您填写的内容没有提交").waitFor();
  await keep(late, "too-late");
  await owned(clinic, "心内科");
  expect(await clinic.locator(".milestones strong", { hasText: "已接收" }).count()).toBe(1);
});

test("a form that is left half filled in is kept, and a colleague goes on where it was left", async () => {
  const [clinic, one, other] = await Promise.all([screens.open("fang"), screens.work("tao"), screens.work("shi")]);
  await refer(clinic, { patient: "xie", urgency: "普通", to: HEART, others: office, answers: { 转诊原因: "心悸复发", 病情描述: "射频消融后三月，心悸复发两次。" } });
  const asking = async (page: typeof one) => {
    await take(page, "解春晓", "审核转诊申请");
    await page.locator(".task-outcomes").getByRole("button", { name: "要求补充资料", exact: true }).click();
    await page.locator(".task-chosen").waitFor();
  };
  await asking(one);
  await fill(one, { 需要补充什么: "消融手术记录和" });
  await one.getByText("已暂存，可以稍后接着填。").waitFor();
  // Nothing of it is sent yet, and whoever comes back to it finds it.
  await asking(other);
  const offer = other.locator(".step-offer", { hasText: "陶然" });
  await offer.waitFor();
  await keep(other, "half-filled");
  await offer.getByRole("button", { name: "接着填" }).click();
  const what = other.getByLabel("需要补充什么");
  expect(await what.inputValue()).toBe("消融手术记录和");
  await what.fill("消融手术记录和近期动态心电图");
  await other.locator(".task-outcomes").getByRole("button", { name: "要求补充资料", exact: true }).click();
  await other.locator(".task-done").waitFor();
  await reached(clinic, "要求补充资料");
  await clinic.locator(".run-blocking a", { hasText: "补充资料" }).click();
  await clinic.locator(".papers .answers", { hasText: "消融手术记录和近期动态心电图" }).waitFor();
});
