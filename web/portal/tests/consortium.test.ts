import type { Organization, OrganizationAffiliation } from "@qingshan/client";
import { expect, test } from "vitest";
import { holds, treeOf, type Branch } from "../src/consortium/tree";

const type = "http://terminology.hl7.org/CodeSystem/organization-type";
const ours = "https://qingshan.dev/fhir/CodeSystem";
const concept = (system: string, code: string) => ({ coding: [{ system, code }] });
const institution = (id: string, level: string): Organization => ({
  resourceType: "Organization",
  id,
  name: id,
  type: [concept(type, "prov"), concept(`${ours}/level`, level)],
});
const tie = (above: string, below: string, code: string, end?: string): OrganizationAffiliation => ({
  resourceType: "OrganizationAffiliation",
  organization: { reference: `Organization/${above}` },
  participatingOrganization: { reference: `Organization/${below}` },
  code: [concept(`${ours}/affiliation`, code)],
  ...(end !== undefined && { period: { end } }),
});

const organizations: Organization[] = [
  { resourceType: "Organization", id: "all", name: "all", type: [concept(`${ours}/organization-type`, "medical-consortium")] },
  institution("village", "village"),
  institution("town", "community"),
  institution("county", "secondary"),
  institution("city", "tertiary"),
  {
    resourceType: "Organization",
    id: "ward",
    name: "ward",
    type: [concept(type, "dept")],
    partOf: { reference: "Organization/county" },
  },
];
const now = Date.parse("2026-03-01T12:00:00+08:00");
const drawn = (branches: readonly Branch[]): unknown[] =>
  branches.map(({ organization, managed }) => (managed.length === 0 ? organization.id : [organization.id, ...drawn(managed)]));

test("institutions stand under those that manage them, the leading one first", () => {
  const tree = treeOf(
    organizations,
    [tie("all", "county", "lead"), tie("county", "town", "direct-management"), tie("town", "village", "direct-management")],
    now,
  );
  expect(tree.head?.id).toBe("all");
  expect(drawn(tree.branches)).toEqual([["county", ["town", "village"]], "city"]);
  expect(tree.branches[0]?.departments.map((part) => part.id)).toEqual(["ward"]);
});

test("management that has ended ties nobody", () => {
  const tree = treeOf(organizations, [tie("county", "town", "direct-management", "2026-02-28")], now);
  expect(drawn(tree.branches)).toEqual(["city", "county", "town", "village"]);
});

test("a post holds on its first day and on its last", () => {
  expect(holds({ start: "2026-03-01", end: "2026-03-01" }, now)).toBe(true);
  expect(holds({ end: "2026-02-28" }, now)).toBe(false);
  expect(holds({ start: "2026-03-02" }, now)).toBe(false);
  expect(holds(undefined, now)).toBe(true);
});
