import type { Page } from "playwright-core";
import { ask } from "./stage";

const code = (list: string, code: string) => ({ valueCoding: { system: `https://qingshan.dev/fhir/CodeSystem/${list}`, code } });
const answer = (linkId: string, ...given: object[]) => ({ linkId, answer: given });
const text = (linkId: string, valueString: string) => answer(linkId, { valueString });

const consent = {
  linkId: "consent",
  item: [answer("agreed", { valueBoolean: true }), answer("signer", code("referral-signer", "patient")), answer("sharing", { valueBoolean: true })],
};

/** A referral up as a clinic fills it in. */
export const up = [
  answer("kind", code("referral-kind", "outpatient")),
  answer("reason-code", code("referral-reason", "unclear")),
  text("reason", "活动后胸闷一周，心电图ST段压低"),
  text("condition", "患者一周前爬楼时胸闷，休息数分钟缓解，无放射痛。\n已予阿司匹林口服，症状减轻。".repeat(6)),
  { linkId: "vitals", item: [answer("temperature", { valueDecimal: 36.5 }), answer("systolic", { valueInteger: 168 })] },
  answer("isolation", code("referral-isolation", "none")),
  answer("transport", code("referral-transport", "own")),
  answer("payer", code("referral-payer", "resident")),
  consent,
];

const medicine = (name: string, dose: string) => ({
  linkId: "medicine",
  item: [text("medicine-name", name), text("dose", dose), text("prescriber", "家庭医生")],
});

/** A referral back down as a ward fills it in. */
export const down = [
  answer("reason-code", code("referral-down-reason", "heart")),
  text("diagnosis", "不稳定型心绞痛，冠脉支架术后"),
  text("course", "入院行冠脉造影及支架植入，术后平稳。"),
  text("condition-now", "无胸痛，生命体征平稳"),
  medicine("阿司匹林肠溶片", "100 mg，每日一次"),
  medicine("替格瑞洛片", "90 mg，每日两次"),
  { linkId: "red-flag", item: [text("flag", "胸痛超过15分钟不缓解"), text("flag-action", "立即拨打120")] },
  { linkId: "review", item: [answer("review-date", { valueDate: "2027-01-05" }), text("review-place", "示范镇卫生院")] },
  text("contact", "高原医生，心内科门诊"),
  consent,
];

/** Starts a referral as the screens would, and gives its id. */
export async function refer(page: Page, way: "up" | "down", from: string, to: string, item: object[], klass = "routine"): Promise<string> {
  const form = way === "up" ? "referral-request" : "referral-down";
  const id = crypto.randomUUID();
  await ask(page, "POST", "/runs", {
    id,
    protocol: "referral",
    start: way,
    patient: "Patient/shan",
    class: klass,
    roles: { referrer: `Organization/${from}`, receiver: `Organization/${to}` },
    response: { resourceType: "QuestionnaireResponse", status: "completed", questionnaire: `https://qingshan.dev/fhir/Questionnaire/${form}`, item },
  });
  return id;
}
