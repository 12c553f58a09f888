import type { Post, Session } from "@qingshan/client";

/** Codes of `https://qingshan.dev/fhir/CodeSystem/duty` that the portal has a word for. */
export const DUTY = "https://qingshan.dev/fhir/CodeSystem/duty";

export const duties = [
  "doctor",
  "nurse",
  "registrar",
  "technician",
  "radiologist",
  "pharmacist",
  "family-doctor",
  "public-health",
  "village-doctor",
  "referral-officer",
  "quality",
  "privacy-officer",
  "data-officer",
  "security-admin",
  "system-admin",
  "paramedic",
  "dispatcher",
] as const;

export type Duty = (typeof duties)[number];

/** A screen that stands in the main navigation. */
export type Screen =
  | "mine"
  | "work"
  | "board"
  | "ambulance"
  | "triage"
  | "protocols"
  | "find"
  | "register"
  | "emergencies"
  | "ties"
  | "people"
  | "places"
  | "sessions"
  | "registry"
  | "owed"
  | "sources"
  | "consortium";

/** Where each screen is. */
export const places: Readonly<Record<Screen, string>> = {
  mine: "/mine",
  work: "/work",
  board: "/board",
  ambulance: "/ambulance",
  triage: "/triage",
  protocols: "/protocols",
  find: "/find",
  register: "/patients/new",
  emergencies: "/emergencies",
  ties: "/ties",
  people: "/people",
  places: "/places",
  sessions: "/sessions",
  registry: "/registry",
  owed: "/owed",
  sources: "/sources",
  consortium: "/consortium",
};

const clinical: readonly Duty[] = [
  "doctor",
  "nurse",
  "technician",
  "radiologist",
  "pharmacist",
  "family-doctor",
  "public-health",
  "village-doctor",
  "referral-officer",
  "paramedic",
  "dispatcher",
];

/**
 * Which duties have a screen in their navigation. It only keeps the way short: what a screen may show is decided by the
 * record, so a duty that is missing here sees a shorter menu and nothing else.
 */
const offered: Readonly<Record<Exclude<Screen, "mine" | "consortium">, readonly Duty[]>> = {
  work: [...clinical, "registrar"],
  board: ["doctor", "nurse", "technician", "radiologist", "paramedic", "dispatcher", "quality"],
  ambulance: ["paramedic"],
  triage: ["nurse"],
  protocols: [...clinical, "quality"],
  find: [...clinical, "registrar", "privacy-officer"],
  register: ["registrar", "doctor", "nurse", "family-doctor", "village-doctor", "public-health", "paramedic"],
  emergencies: ["privacy-officer"],
  ties: ["privacy-officer"],
  people: ["registrar"],
  places: ["referral-officer", "dispatcher"],
  sessions: ["referral-officer", "registrar", "family-doctor", "village-doctor", "doctor", "nurse", "public-health", "quality"],
  // Everybody else comes to it from the page of the consortium.
  registry: ["dispatcher", "quality"],
  owed: ["registrar"],
  sources: ["quality", "privacy-officer", "data-officer", "system-admin"],
};

/** Duties that keep the rosters of their institution, as the record's rules have it. */
export const keepers: readonly Duty[] = ["doctor", "nurse", "registrar", "referral-officer", "technician", "radiologist", "pharmacist", "paramedic", "dispatcher"];

/** Duties that begin with what is waiting, and not with a person who stands before them. */
const waitsFor: readonly Duty[] = ["referral-officer", "radiologist", "dispatcher", "paramedic"];

/** The post that is worn, if one is. */
export function postOf(session: Session): Post | undefined {
  return session.posts.find((post) => post.role === session.post);
}

/** Whether somebody is here for themselves and their own, and not for an institution. */
export function isLay(session: Session): boolean {
  return session.patients !== undefined && postOf(session) === undefined;
}

/** The screens of somebody's navigation; the first is where they begin. */
export function screensOf(session: Session): Screen[] {
  if (isLay(session)) return ["mine", "sessions"];
  const worn: readonly string[] = postOf(session)?.duties ?? [];
  const has = (screen: keyof typeof offered) => offered[screen].some((duty) => worn.includes(duty));
  // A worklist comes before the search for those whose whole work it is: it is what waits.
  const waits = ["emergencies", "ties", "ambulance", "work", "board", "triage", "find", "register", "people", "owed", "places", "sessions", "registry", "protocols"] as const;
  const searches = ["emergencies", "ties", "ambulance", "find", "work", "board", "triage", "register", "people", "owed", "places", "sessions", "registry", "protocols"] as const;
  const order = waitsFor.some((duty) => worn.includes(duty)) ? waits : searches;
  // Whose clocks are off is looked at when somebody is told of it: nobody's day begins there.
  const last = (["sources"] as const).filter(has);
  return [...order.filter(has), "consortium", ...last];
}

/** Whether the worn post has one of these duties. */
export function hasDuty(session: Session, ...wanted: readonly Duty[]): boolean {
  const worn: readonly string[] = postOf(session)?.duties ?? [];
  return wanted.some((duty) => worn.includes(duty));
}

/** Why somebody looks into the record, unless they say otherwise: a code of v3-ActReason. */
export function purposeOf(session: Session): string {
  if (isLay(session)) return "PATRQT";
  if (hasDuty(session, ...clinical)) return "TREAT";
  if (hasDuty(session, "registrar")) return "HPAYMT";
  return "HOPERAT";
}
