import { test } from "vitest";
import { clock, decide, done, keep, row, settle, take, screensOf } from "../src/referral";

const screens = screensOf("gi-bleeding");

test("a line that is a folder only is started and finished on screens, and its figures count what was done", async () => {
  const [doctor, nurse] = await Promise.all([screens.open("pei"), screens.work("zeng")]);
  const patient = "孟春生";
  await doctor.goto("/protocols/gi-bleeding?view=start&patient=meng");
  await doctor.locator(".start-patient").waitFor();
  await doctor.getByText("高危", { exact: true }).click();
  await doctor.getByLabel("急诊科", { exact: true }).selectOption({ label: "示范县医院急诊科" });
  await doctor.locator(".start-run button[type=submit]").click();
  await doctor.locator(".run-head").waitFor();
  await clock(doctor, "到院至静脉通路", /计时中/);

  // What needs nothing of the other is done at the same time.
  await row(nurse, patient, "建立两路静脉通路").waitFor();
  await settle(nurse, patient, "建立两路静脉通路", "完成");
  await settle(nurse, patient, "质子泵抑制剂", "完成", { answers: { 已用药物: "质子泵抑制剂", 疑食管胃底静脉曲张: "否" } });
  await clock(doctor, "到院至静脉通路", /按时完成/);
  await doctor.locator(".run-blocking a, .run-yours a").filter({ hasText: "布拉奇福德评分" }).first().click();
  await decide(doctor, "高危：10分钟内开始救治", {
    answers: { 血尿素: "10.0～24.9", 血红蛋白: "男100～119", 收缩压: "90～99", "脉搏≥100次/分": "是", 黑便: "有", 晕厥: "无", 肝脏疾病: "无", 心力衰竭: "无" },
  });
  await doctor.locator(".task-done").waitFor();
  await keep(doctor, "bleeding-graded");
  await take(nurse, patient, "内镜医生应答");
  await nurse.getByRole("button", { name: "我已知悉" }).click();
  await done(nurse);
  await settle(nurse, patient, "评估循环：可否进镜", "已稳定");
  await settle(nurse, patient, "内镜开始", "完成");
  await settle(nurse, patient, "内镜所见", "已止血", {
    answers: {
      内镜所见: "十二指肠球部溃疡，Forrest Ib。",
      止血方法: "肾上腺素注射加钛夹。",
      年龄: "60～79岁",
      休克: "收缩压<100 mmHg",
      合并症: "无",
      内镜诊断: "其他病变",
      近期出血征象: "积血、附着血凝块、血管显露或喷血",
    },
  });
  await settle(nurse, patient, "72小时再出血复核", "无再出血", {
    answers: { "呕血、黑便或便血": "否", 血红蛋白: "98", "后续治疗（根除幽门螺杆菌、停用抗栓药等）": "根除幽门螺杆菌，停用非甾体药。" },
  });
  await doctor.getByRole("link", { name: "查看流程" }).click();
  await doctor.locator(".run-head .tag", { hasText: "已完成" }).waitFor();
  await keep(doctor, "bleeding-run");

  await doctor.getByRole("link", { name: "急性消化道出血救治" }).click();
  await doctor.getByRole("button", { name: "质控指标" }).click();
  await doctor.getByLabel("机构").selectOption({ label: "全部机构" });
  for (const [figure, value] of [["救治例数", "1"], ["静脉通路及时率", "100"], ["内镜止血成功率", "100"], ["72小时再出血率", "0"]] as const) {
    await doctor.locator(".figure", { hasText: figure }).filter({ hasText: value }).waitFor();
  }
  await keep(doctor, "bleeding-figures");
});
