import type { HealthcareService, Organization, OrganizationAffiliation, Period, PractitionerRole } from "@qingshan/client";
import { dayAt, OFFSET, timeAt } from "../calendar";
import { AFFILIATION, codesOf, holds, idOf, isDepartment, LEVEL, TAG, TYPE, type Level } from "./tree";

/** What may be said of an institution or a department anew. What is left out stays as it is. */
export interface Details {
  name?: string;
  phone?: string;
  address?: string;
  level?: { code: Level; display: string };
}

export const phoneOf = (organization: Organization): string =>
  organization.telecom?.find((one) => one.system === "phone" && one.use !== "old")?.value ?? "";

export const addressOf = (organization: Organization): string => {
  const [first] = organization.address ?? [];
  return first?.text ?? first?.line?.join(" ") ?? "";
};

/** An institution with other details; other numbers, other addresses and other types of it stay. */
export function withDetails(organization: Organization, { name, phone, address, level }: Details): Organization {
  const changed: Organization = { ...organization, ...(name !== undefined && { name: name.trim() }) };
  if (phone !== undefined) {
    const at = (changed.telecom ?? []).findIndex((one) => one.system === "phone" && one.use !== "old");
    const telecom = [...(changed.telecom ?? [])];
    const number = phone.trim();
    if (number === "") telecom.splice(at, at < 0 ? 0 : 1);
    else if (at < 0) telecom.unshift({ system: "phone", value: number });
    else telecom[at] = { ...telecom[at], value: number };
    // FHIR knows no empty lists.
    if (telecom.length > 0) changed.telecom = telecom;
    else delete changed.telecom;
  }
  if (address !== undefined) {
    const others = (changed.address ?? []).slice(1);
    const all = address.trim() === "" ? others : [{ text: address.trim() }, ...others];
    if (all.length > 0) changed.address = all;
    else delete changed.address;
  }
  if (level !== undefined) {
    const others = (changed.type ?? []).filter((type) => !type.coding?.some((coding) => coding.system === LEVEL));
    changed.type = [...others, { coding: [{ system: LEVEL, code: level.code, display: level.display }] }];
  }
  return changed;
}

const consortiumOf = (organization: Organization) => {
  const tag = organization.meta?.tag?.filter((one) => one.system === TAG) ?? [];
  return tag.length > 0 ? { meta: { tag } } : {};
};

/** A department of an institution, under an id chosen before it is sent. */
export function departmentOf(institution: Organization, id: string, name: string, display: string): Organization & { id: string } {
  return {
    resourceType: "Organization",
    id,
    ...consortiumOf(institution),
    active: true,
    type: [{ coding: [{ system: TYPE, code: "dept", display }] }],
    name: name.trim(),
    partOf: { reference: `Organization/${institution.id}` },
  };
}

/** What a department offers: others refer to the department and book at it by this. */
export function serviceOf(department: Organization, id: string): HealthcareService & { id: string } {
  return {
    resourceType: "HealthcareService",
    id,
    ...consortiumOf(department),
    active: true,
    providedBy: { reference: `Organization/${department.id}` },
    name: department.name ?? "",
  };
}

/** How an institution may belong together with another. */
export type BondKind = "member" | "direct-management" | "specialty-alliance";

/** One way in which an institution belongs together with others. */
export interface Bond {
  tie: OrganizationAffiliation;
  kind: BondKind;
  /** Whether the institution in question is the one that manages. */
  isAbove: boolean;
  /** The one it belongs together with: the consortium, the alliance, or the institution on the other side. */
  other: string;
  /** Whether it leads the consortium, or the alliance. */
  isLead: boolean;
  isNow: boolean;
  isOver: boolean;
}

const kinds: readonly BondKind[] = ["member", "direct-management", "specialty-alliance"];

/** Whether a period has ended at a moment, in milliseconds since 1970; one that lies ahead has not. */
const isOver = (tie: OrganizationAffiliation, now: number) =>
  tie.active === false || (tie.period?.end !== undefined && !holds({ end: tie.period.end }, now));

/** How an institution belongs together with others, now, in future and formerly; what holds stands first. */
export function bondsOf(id: string, affiliations: readonly OrganizationAffiliation[], now: number): Bond[] {
  const found: Bond[] = [];
  for (const tie of affiliations) {
    const [above, below] = [idOf(tie.organization), idOf(tie.participatingOrganization)];
    if (above !== id && below !== id) continue;
    const codes = codesOf(tie.code, AFFILIATION);
    const kind = kinds.find((one) => codes.includes(one));
    if (kind === undefined || (kind === "member" && below !== id)) continue;
    const within = kind === "specialty-alliance" ? idOf(tie.network?.[0]) : "";
    found.push({
      tie,
      kind,
      isAbove: above === id,
      other: within !== "" ? within : above === id ? below : above,
      isLead: codes.includes("lead") || (within !== "" && above === id),
      isNow: tie.active !== false && holds(tie.period, now),
      isOver: isOver(tie, now),
    });
  }
  const rank = (bond: Bond) => (bond.isNow ? 0 : bond.isOver ? 2 : 1) * kinds.length + kinds.indexOf(bond.kind);
  found.sort((left, right) => rank(left) - rank(right));
  // Whoever leads an alliance stands above each of its members; that is one bond and not as many.
  const isTold = (bond: Bond) => found.find((one) => one.kind === bond.kind && one.isLead && one.other === bond.other) === bond;
  return found.filter((bond) => !bond.isLead || isTold(bond));
}

/** A bond that ends with a day, as `YYYY-MM-DD`. It is kept: who belonged together until then stays known. */
export function endedOn(tie: OrganizationAffiliation, day: string): OrganizationAffiliation {
  return { ...tie, period: { ...tie.period, end: day } };
}

/** A post that is over from a moment on, in milliseconds since 1970: also where the clock of this browser is ahead. */
export function endedAt(role: PractitionerRole, moment: number): PractitionerRole {
  return { ...role, active: false, period: { ...role.period, end: `${dayAt(moment)}T${timeAt(moment)}${OFFSET}` } };
}

/** A post that ends with a day, as `YYYY-MM-DD`: it is held until midnight. */
export function endedWith(role: PractitionerRole, day: string): PractitionerRole {
  return { ...role, period: { ...role.period, end: day } };
}

/** What ties two institutions together anew. */
export interface NewBond {
  id: string;
  kind: "direct-management" | "specialty-alliance";
  /** The institution that manages, or that leads the alliance. */
  above: string;
  below: string;
  /** The alliance, where it is one. */
  alliance?: string;
  display: string;
  period: Period;
}

/** The affiliation that a new bond is written as, like those of the file of a consortium. */
export function bondOf(member: Organization, bond: NewBond, alike: OrganizationAffiliation | undefined): OrganizationAffiliation & { id: string } {
  return {
    resourceType: "OrganizationAffiliation",
    id: bond.id,
    ...consortiumOf(member),
    active: true,
    ...(Object.keys(bond.period).length > 0 && { period: bond.period }),
    organization: { reference: `Organization/${bond.above}` },
    participatingOrganization: { reference: `Organization/${bond.below}` },
    ...(bond.alliance !== undefined && { network: [{ reference: `Organization/${bond.alliance}` }] }),
    code: [{ coding: [{ system: AFFILIATION, code: bond.kind, display: bond.display }] }],
    ...(alike?.specialty !== undefined && { specialty: alike.specialty }),
  };
}

/** Everybody an institution manages directly or through others, itself included: none of them can manage it. */
export function managedBy(id: string, affiliations: readonly OrganizationAffiliation[], now: number): Set<string> {
  const below = new Set([id]);
  for (const at of below) {
    for (const tie of affiliations) {
      if (idOf(tie.organization) !== at || !codesOf(tie.code, AFFILIATION).includes("direct-management")) continue;
      if (!isOver(tie, now)) below.add(idOf(tie.participatingOrganization));
    }
  }
  return below;
}

/** The departments of an institution, those that are open first. */
export function departmentsOf(institution: Organization, organizations: readonly Organization[]): Organization[] {
  const own = organizations.filter((one) => isDepartment(one) && idOf(one.partOf) === institution.id);
  const rank = (one: Organization) => (one.active === false ? 1 : 0);
  return own.sort((left, right) => rank(left) - rank(right) || (left.name ?? "").localeCompare(right.name ?? "", "zh-CN"));
}
