import type { CodeableConcept, Organization, OrganizationAffiliation, Period, Reference } from "@qingshan/client";
import { bounds } from "../calendar";

const OURS = "https://qingshan.dev/fhir/CodeSystem/organization-type";
/** How institutions belong together, as the file of a consortium writes it. */
export const AFFILIATION = "https://qingshan.dev/fhir/CodeSystem/affiliation";
/** Marks what belongs to a consortium; the code is the id of its `Organization`. */
export const TAG = "https://qingshan.dev/fhir/CodeSystem/consortium";
export const LEVEL = "https://qingshan.dev/fhir/CodeSystem/level";
export const TYPE = "http://terminology.hl7.org/CodeSystem/organization-type";

/** The tiers of care, the highest first. */
export const levels = ["tertiary", "secondary", "community", "village"] as const;
export type Level = (typeof levels)[number];

/** An institution with those it manages and its departments. */
export interface Branch {
  organization: Organization;
  level: Level | undefined;
  isLead: boolean;
  managed: Branch[];
  departments: Organization[];
}

/** A consortium: its institutions under those that manage them, and what cuts across them. */
export interface Tree {
  head: Organization | undefined;
  branches: Branch[];
  alliances: { organization: Organization; members: Organization[] }[];
}

/** Whether a period holds at a moment, in milliseconds since 1970. */
export function holds(period: Period | undefined, now: number): boolean {
  const from = bounds(period?.start)?.from ?? Number.NEGATIVE_INFINITY;
  const to = bounds(period?.end)?.to ?? Number.POSITIVE_INFINITY;
  return from <= now && now <= to;
}

/** The codes of one system among concepts. */
export function codesOf(concepts: readonly CodeableConcept[] | undefined, system: string): string[] {
  const codings = (concepts ?? []).flatMap((concept) => concept.coding ?? []);
  return codings.filter((coding) => coding.system === system).map((coding) => coding.code ?? "");
}

export function levelOf(organization: Organization): Level | undefined {
  const [code] = codesOf(organization.type, LEVEL);
  return levels.find((level) => level === code);
}

/** The id a relative reference names, or nothing. */
export const idOf = (reference: Reference | undefined) => reference?.reference?.split("/")[1] ?? "";

export const isDepartment = (organization: Organization): boolean => codesOf(organization.type, TYPE).includes("dept");

export const isAlliance = (organization: Organization): boolean => codesOf(organization.type, OURS).includes("specialty-alliance");

/** Whether something is an institution of its own: no department, no alliance, no consortium. */
export const isInstitution = (organization: Organization): boolean =>
  !isDepartment(organization) && codesOf(organization.type, OURS).length === 0;

/**
 * Puts a consortium together. Institutions that nobody manages stand at the top, the leading one first and then by tier.
 *
 * @param now milliseconds since 1970; affiliations that do not hold then are left out
 */
export function treeOf(
  organizations: readonly Organization[],
  affiliations: readonly OrganizationAffiliation[],
  now: number,
): Tree {
  const active = organizations.filter((organization) => organization.active !== false);
  const ties = affiliations.filter((tie) => tie.active !== false && holds(tie.period, now));
  const tiesOf = (code: string) => ties.filter((tie) => codesOf(tie.code, AFFILIATION).includes(code));
  const head = active.find((organization) => codesOf(organization.type, OURS).includes("medical-consortium"));
  const alliances = active.filter(isAlliance);
  // A hospital that only stands on the map of emergencies is no member.
  const isStranger = (organization: Organization) => codesOf(organization.type, OURS).includes("outside");
  const institutions = active.filter(
    (organization) => organization !== head && !alliances.includes(organization) && !isDepartment(organization) && !isStranger(organization),
  );
  const leads = new Set(tiesOf("lead").map((tie) => idOf(tie.participatingOrganization)));
  const managers = new Map(
    tiesOf("direct-management").map((tie) => [idOf(tie.participatingOrganization), idOf(tie.organization)]),
  );
  for (const one of institutions) if (one.partOf !== undefined) managers.set(one.id ?? "", idOf(one.partOf));
  const known = new Set(institutions.map((one) => one.id));
  const rankOf = (branch: Branch) => (branch.isLead ? -1 : branch.level === undefined ? levels.length : levels.indexOf(branch.level));
  const order = (left: Branch, right: Branch) =>
    rankOf(left) - rankOf(right) || (left.organization.name ?? "").localeCompare(right.organization.name ?? "", "zh-CN");
  const grow = (organization: Organization, above: readonly string[]): Branch => {
    const id = organization.id ?? "";
    // Whoever wrote down that two manage each other must still see both.
    const below = institutions.filter((one) => managers.get(one.id ?? "") === id && !above.includes(one.id ?? ""));
    return {
      organization,
      level: levelOf(organization),
      isLead: leads.has(id),
      managed: below.map((one) => grow(one, [...above, id])).sort(order),
      departments: active.filter((part) => isDepartment(part) && idOf(part.partOf) === id),
    };
  };
  const roots = institutions.filter((one) => {
    const manager = managers.get(one.id ?? "");
    return manager === undefined || !known.has(manager);
  });
  return {
    head,
    branches: roots.map((root) => grow(root, [])).sort(order),
    alliances: alliances.map((organization) => {
      const within = tiesOf("specialty-alliance").filter((tie) => tie.network?.some((one) => idOf(one) === organization.id));
      const members = new Set(within.flatMap((tie) => [idOf(tie.organization), idOf(tie.participatingOrganization)]));
      return { organization, members: institutions.filter((one) => members.has(one.id ?? "")) };
    }),
  };
}

/** A new institution and what makes it a member. Ids are chosen before, so that sending twice writes once. */
export function joining(
  head: Organization,
  institution: { id: string; name: string; level: Level; levelName: string; creditCode: string },
  affiliation: string,
): [Organization & { id: string }, OrganizationAffiliation & { id: string }] {
  const { id, name, level, levelName, creditCode } = institution;
  const meta = { tag: [{ system: TAG, code: head.id ?? "" }] };
  const system = "https://qingshan.dev/fhir/sid/unified-social-credit-code";
  return [
    {
      resourceType: "Organization",
      id,
      meta,
      ...(creditCode !== "" && { identifier: [{ system, value: creditCode }] }),
      active: true,
      type: [{ coding: [{ system: TYPE, code: "prov" }] }, { coding: [{ system: LEVEL, code: level, display: levelName }] }],
      name,
    },
    {
      resourceType: "OrganizationAffiliation",
      id: affiliation,
      meta,
      active: true,
      organization: { reference: `Organization/${head.id}` },
      participatingOrganization: { reference: `Organization/${id}` },
      code: [{ coding: [{ system: AFFILIATION, code: "member" }] }],
    },
  ];
}
