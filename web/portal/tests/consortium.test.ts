import type { ContactPoint, Organization, OrganizationAffiliation, Practitioner, PractitionerRole } from "@qingshan/client";
import { expect, test } from "vitest";
import { isMobile, numberOf, withNumber } from "../src/consortium/mobile";
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

const role = (telecom?: ContactPoint[]): PractitionerRole => ({ resourceType: "PractitionerRole", id: "r", ...(telecom !== undefined && { telecom }) });
const person = (telecom?: ContactPoint[]): Practitioner => ({ resourceType: "Practitioner", id: "p", ...(telecom !== undefined && { telecom }) });
const office: ContactPoint = { system: "phone", use: "work", value: "0730-5550100" };

test("somebody is called over a mobile number, that of their post before their own", () => {
  expect(numberOf(role(), person([office]))).toBeUndefined();
  expect(numberOf(role(), person([office, { system: "phone", value: "15400000001" }]))).toBe("15400000001");
  expect(numberOf(role([{ system: "phone", use: "mobile", value: "15400000002" }]), person([{ system: "phone", value: "15400000001" }]))).toBe("15400000002");
  expect(numberOf(role(), person([{ system: "phone", use: "old", value: "15400000001" }]))).toBeUndefined();
  expect(["15400000001", "+86 154 0000 0001", "154-0000-0001"].every(isMobile)).toBe(true);
  expect(["0730-5550100", "1540000000", "25400000001"].some(isMobile)).toBe(false);
});

test("another number takes the place of the old one where that stood, and what else they are reached by stays", () => {
  expect(withNumber(role(), person([office]), "154 0000 0001")).toEqual(person([{ system: "phone", use: "mobile", value: "15400000001" }, office]));
  const own = role([{ system: "sms", value: "15400000002" }]);
  expect(withNumber(own, person(), "15400000003")).toEqual(role([{ system: "phone", use: "mobile", value: "15400000003" }]));
  expect(withNumber(role(), person([{ system: "phone", value: "15400000001" }]), "")).toEqual(person());
});
