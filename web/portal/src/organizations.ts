import type { Organization, Service } from "@qingshan/client";

const idOf = (one: Organization): string | undefined => one.partOf?.reference?.split("/")[1];

const isDepartment = ({ type }: Organization): boolean =>
  type?.some(({ coding }) => coding?.some(({ code }) => code === "dept")) === true;

/** What an organization is called; a department with the house it is in, since there is one of its name in every other. */
export function wholeName(one: Organization, houses: ReadonlyMap<string, string>): string {
  const own = one.name ?? "";
  const house = isDepartment(one) ? houses.get(idOf(one) ?? "") : undefined;
  if (house === undefined || own.startsWith(house)) return own;
  return /^[\x20-\x7e]*$/.test(own) ? `${house}, ${own}` : house + own;
}

/** What the houses of some departments are called, by id. */
export async function housesOf(service: Service, some: readonly Organization[], signal: AbortSignal): Promise<Map<string, string>> {
  const ids = [...new Set(some.filter(isDepartment).map(idOf))].filter((id) => id !== undefined);
  if (ids.length === 0) return new Map();
  const params = { _id: ids.join(","), _elements: "name", _count: String(ids.length) };
  const { found } = await service.search<Organization>("Organization", params, signal);
  return new Map(found.map((house) => [house.id ?? "", house.name ?? ""]));
}
