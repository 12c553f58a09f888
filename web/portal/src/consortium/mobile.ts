import type { ContactPoint, Practitioner, PractitionerRole } from "@qingshan/client";

type Reached = { telecom?: ContactPoint[] };

/** Whether a number is that of a mobile phone in China: eleven digits, the first a 1. */
export const isMobile = (number: string): boolean => /^(\+?86)?1\d{10}$/.test(number.replace(/[\s-]/g, ""));

const isNumber = ({ system, use, value }: ContactPoint) => (system === "phone" || system === "sms") && use !== "old" && value !== undefined;
const isCalled = (one: ContactPoint) => isNumber(one) && (one.system === "sms" || one.use === "mobile" || isMobile(one.value ?? ""));

/** The number over which somebody is called: that of their post before their own, as paging takes it. */
export function numberOf(role: Reached, person: Reached | undefined): string | undefined {
  const all = [...(role.telecom ?? []), ...(person?.telecom ?? [])].filter(isCalled);
  return (all.find(({ system }) => system === "sms") ?? all[0])?.value;
}

/** Somebody's post or person with another number to be called over, or with none; what else they are reached by stays. */
export function withNumber(role: PractitionerRole, person: Practitioner, number: string): PractitionerRole | Practitioner {
  const changed = (role.telecom ?? []).some(isCalled) ? role : person;
  const others = (changed.telecom ?? []).filter((one) => !isCalled(one));
  const telecom: ContactPoint[] = number === "" ? others : [{ system: "phone", use: "mobile", value: number.replace(/[\s-]/g, "") }, ...others];
  const { telecom: _, ...rest } = changed;
  // FHIR knows no empty lists.
  return telecom.length === 0 ? rest : { ...rest, telecom };
}
