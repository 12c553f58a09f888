import type { Communication, Reference } from "@qingshan/client";

const NOTICE = "https://qingshan.dev/fhir/CodeSystem/notice";
const ANNOUNCEMENT = "announcement";
/** Codes of what somebody says is wrong with them. */
const COMPLAINT = "https://qingshan.dev/fhir/CodeSystem/announced-complaint";
/** The extension of an announcement that says when they expect to be there: a `valueDateTime`. */
const EXPECTED = "https://qingshan.dev/fhir/StructureDefinition/announced-arrival";

/** How long after they were expected somebody who said that they come is still shown, in milliseconds. */
const SHOWN = 2 * 3_600_000;

/** What can be said to be wrong; the first ones are for an ambulance, whatever else is planned. */
export const complaints = ["stroke", "chest", "breath", "injury", "pregnancy", "belly", "fever", "other"] as const;
export type Complaint = (typeof complaints)[number];
const forAmbulance = ["stroke", "chest", "breath", "injury", "pregnancy"] as const satisfies readonly Complaint[];

/** Whether whoever has it should not come by themselves. */
export const needsAmbulance = (complaint: Complaint): complaint is (typeof forAmbulance)[number] => forAmbulance.some((one) => one === complaint);

/** Somebody who says that they are on their way to an emergency department. */
export interface Announced extends Communication {
  reasonCode?: { coding?: { system?: string; code?: string }[]; text?: string }[];
  extension?: { url: string; valueDateTime?: string }[];
}

/** What is written when somebody says that they come: to one hospital, about one person, without a run of anything. */
export function announcement(told: { id: string; patient: string; hospital: string; complaint: Complaint; label: string; words: string; now: number; expected: number }): Announced & { id: string } {
  const { id, patient, hospital, complaint, label, words, now, expected } = told;
  return {
    resourceType: "Communication",
    id,
    status: "in-progress",
    category: [{ coding: [{ system: NOTICE, code: ANNOUNCEMENT }] }],
    priority: "urgent",
    subject: { reference: `Patient/${patient}` },
    recipient: [{ reference: `Organization/${hospital}` }],
    sent: new Date(now).toISOString(),
    reasonCode: [{ coding: [{ system: COMPLAINT, code: complaint }], text: label }],
    extension: [{ url: EXPECTED, valueDateTime: new Date(expected).toISOString() }],
    ...(words.trim() !== "" && { payload: [{ contentString: words.trim() }] }),
  };
}

/** What finds announcements that are still open, of a patient or to a hospital. */
export const searchFor = (of: { patient: string } | { recipient: string }, now: number): Record<string, string> => ({
  ...of,
  category: `${NOTICE}|${ANNOUNCEMENT}`,
  status: "in-progress",
  sent: `ge${new Date(now - 24 * 3_600_000).toISOString()}`,
  _sort: "-sent",
  _count: "100",
});

/** What hears of announcements to a hospital. */
export const topicOf = (hospital: string): string => `Communication?category=${NOTICE}|${ANNOUNCEMENT}&recipient=Organization/${encodeURIComponent(hospital)}`;

/** What an announcement says. */
export function told({ reasonCode, extension, payload, sent, recipient, subject }: Announced): {
  complaint: Complaint | undefined;
  label: string | undefined;
  words: string | undefined;
  expected: number;
  hospital: string | undefined;
  patient: Reference | undefined;
} {
  const code = reasonCode?.[0]?.coding?.find(({ system }) => system === COMPLAINT)?.code;
  const at = extension?.find(({ url }) => url === EXPECTED)?.valueDateTime;
  return {
    complaint: complaints.find((one) => one === code),
    label: reasonCode?.[0]?.text,
    words: payload?.[0]?.contentString,
    expected: Date.parse(at ?? sent ?? "") || 0,
    hospital: recipient?.[0]?.reference?.replace("Organization/", ""),
    patient: subject,
  };
}

/** Those who are still to be waited for, who needs an ambulance first, and then by when they are expected. */
export function awaited(all: readonly Announced[], now: number): Announced[] {
  const open = all.filter((one) => one.status === "in-progress" && told(one).expected + SHOWN > now);
  const grave = (one: Announced) => Number(needsAmbulance(told(one).complaint ?? "other"));
  return open.sort((one, other) => grave(other) - grave(one) || told(one).expected - told(other).expected);
}
