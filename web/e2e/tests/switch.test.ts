import { expect, test } from "vitest";
import { ask, keep, play } from "../src/stage";

const { window } = play();
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

test("a case that turns out to be another goes over to its protocol by hand, and whoever does that sees which times are kept", async () => {
  const doctor = await window("wu", { at: "示范县医院" });
  const county = "Organization/county";
  const roles = { hospital: county, emergency: county, crew: county };
  const { id } = await ask(doctor, "POST", "/runs", { protocol: "chest-pain", start: "in-hospital", patient: "Patient/shan", class: "stemi", roles });
  await doctor.goto(`/runs/${String(id)}`);
  await doctor.getByRole("button", { name: "改走其他流程" }).click();
  const asked = doctor.locator(".dialog");
  await asked.getByRole("button", { name: "确定改走" }).click();
  await asked.getByText("请填写").first().waitFor();
  expect(await asked.locator(".switch-kept").count()).toBe(0);
  await asked.locator(".form-scale label", { hasText: "主动脉" }).click();
  await asked.locator(".switch-kept", { hasText: "以下时间节点沿用" }).getByText("首次医疗接触").waitFor();
  await asked.locator(".switch-kept", { hasText: "未完成的步骤作废" }).waitFor();
  await asked.getByLabel("改走原因").fill("胸背撕裂样疼痛，双上肢血压差40 mmHg，疑主动脉夹层。");
  await keep(doctor, "switch");
  await doctor.setViewportSize(phone.viewport);
  await keep(doctor, "switch-phone");
  await doctor.setViewportSize({ width: 1366, height: 768 });
  await asked.getByRole("button", { name: "确定改走" }).click();

  // It goes on where the new run is, with the times that are known.
  await doctor.locator(".run-of", { hasText: "主动脉" }).waitFor();
  expect(new URL(doctor.url()).pathname).not.toBe(`/runs/${String(id)}`);
  await doctor.locator(".milestones", { hasText: "首次医疗接触" }).waitFor();
  await doctor.locator(".chain li", { hasText: "已取消" }).getByRole("link").click();
  await doctor.locator(".run-head .tag", { hasText: "已取消" }).waitFor();
  expect(await doctor.getByRole("button", { name: "改走其他流程" }).count()).toBe(0);
});
