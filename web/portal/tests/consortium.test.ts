import type { ContactPoint, Organization, OrganizationAffiliation, Practitioner, PractitionerRole } from "@qingshan/client";
import { expect, test } from "vitest";
import { isMobile, numberOf, withNumber } from "../src/consortium/mobile";
import { bondsOf, departmentOf, departmentsOf, endedAt, endedOn, endedWith, managedBy, serviceOf, withDetails } from "../src/consortium/edits";
import { holds, levelOf, TAG, treeOf, type Branch } from "../src/consortium/tree";

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

const reached: Organization = {
  ...institution("county", "secondary"),
  telecom: [{ system: "fax", value: "1" }, { system: "phone", value: "2" }],
  address: [{ text: "old" }, { text: "branch" }],
};

test("only what was changed of an institution is written, and what else it is reached by stays", () => {
  expect(withDetails(reached, {})).toEqual(reached);
  const moved = withDetails(reached, { name: " County ", phone: "3", address: "new" });
  expect(moved.name).toBe("County");
  expect(moved.telecom).toEqual([{ system: "fax", value: "1" }, { system: "phone", value: "3" }]);
  expect(moved.address).toEqual([{ text: "new" }, { text: "branch" }]);
  expect(withDetails(institution("bare", "village"), { phone: "", address: "" })).toEqual(institution("bare", "village"));
  const raised = withDetails(reached, { level: { code: "tertiary", display: "x" } });
  expect(levelOf(raised)).toBe("tertiary");
  expect(raised.type).toHaveLength(2);
});

test("a post that is ended now is over at once, and one that ends with the day is held until midnight", () => {
  const noon = Date.parse("2026-05-04T12:00:00+08:00");
  const role = { resourceType: "PractitionerRole" as const, active: true, period: { start: "2026-05-04" } };
  const isHeld = ({ active, period }: PractitionerRole, at: number) => active !== false && holds(period, at);
  const over = endedAt(role, noon);
  expect(over.period).toEqual({ start: "2026-05-04", end: "2026-05-04T12:00:00+08:00" });
  expect(isHeld(over, noon)).toBe(false);
  const later = endedWith(role, "2026-05-04");
  expect(isHeld(later, Date.parse("2026-05-04T23:59:00+08:00"))).toBe(true);
  expect(isHeld(later, Date.parse("2026-05-05T00:00:01+08:00"))).toBe(false);
});

test("a bond that has ended is told as such and no longer ties, and one that lies ahead may still be ended", () => {
  const [over, ahead] = [tie("county", "town", "direct-management", "2026-02-28"), tie("city", "town", "direct-management")];
  ahead.period = { start: "2026-04-01" };
  const bonds = bondsOf("town", [over, ahead, tie("all", "town", "member")], now);
  expect(bonds.map(({ other, isNow, isOver }) => [other, isNow, isOver])).toEqual([["all", true, false], ["city", false, false], ["county", false, true]]);
  expect(bondsOf("all", [tie("all", "town", "member")], now)).toEqual([]);
  const last = endedOn(ahead, "2026-05-01");
  expect(last.period).toEqual({ start: "2026-04-01", end: "2026-05-01" });
});

test("leading an alliance is one bond, however many belong to it", () => {
  const within = (below: string) => ({ ...tie("city", below, "specialty-alliance"), network: [{ reference: "Organization/stroke" }] });
  const all = [within("county"), within("town")];
  expect(bondsOf("city", all, now).map(({ other, isLead }) => [other, isLead])).toEqual([["stroke", true]]);
  expect(bondsOf("town", all, now).map(({ other, isLead }) => [other, isLead])).toEqual([["stroke", false]]);
});

test("nobody is managed by an institution that they manage, however far below", () => {
  const ties = [tie("county", "town", "direct-management"), tie("town", "village", "direct-management"), tie("village", "city", "direct-management", "2026-01-01")];
  expect([...managedBy("county", ties, now)]).toEqual(["county", "town", "village"]);
});

test("a department stands under its institution, the closed ones last", () => {
  const one = departmentOf({ ...reached, meta: { tag: [{ system: TAG, code: "all" }, { system: "x", code: "y" }] } }, "d1", " Heart ", "x");
  expect(one).toMatchObject({ name: "Heart", active: true, partOf: { reference: "Organization/county" }, meta: { tag: [{ code: "all" }] } });
  expect(serviceOf(one, "s")).toMatchObject({ name: "Heart", providedBy: { reference: "Organization/d1" } });
  const closed = { ...one, id: "d0", name: "A", active: false };
  expect(departmentsOf(reached, [closed, one, reached]).map(({ id }) => id)).toEqual(["d1", "d0"]);
});
