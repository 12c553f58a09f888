import type { Practitioner, PractitionerRole, Reference, Service } from "@qingshan/client";
import { nameOf } from "../patients/person";

/** The names of those who acted, by the reference that names them: posts are told by who holds them. */
export async function namesOf(
  service: Service,
  actors: readonly Reference[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const named = [...new Set(actors.map((actor) => actor.reference ?? ""))];
  const idsOf = (type: string) => named.filter((name) => name.startsWith(`${type}/`)).map((name) => name.slice(type.length + 1));
  const roleIds = idsOf("PractitionerRole");
  const params = (ids: readonly string[]) => ({ _id: ids.join(","), _count: String(ids.length) });
  const roles = roleIds.length === 0 ? [] : (await service.search<PractitionerRole>("PractitionerRole", params(roleIds), signal)).found;
  const holders = new Map(roles.map((role) => [`PractitionerRole/${role.id}`, role.practitioner?.reference?.split("/")[1] ?? ""]));
  const peopleIds = [...new Set([...idsOf("Practitioner"), ...holders.values()])].filter(Boolean);
  const people = peopleIds.length === 0 ? [] : (await service.search<Practitioner>("Practitioner", params(peopleIds), signal)).found;
  const names = new Map(people.map((person) => [person.id ?? "", nameOf(person) ?? ""]));
  const found = new Map<string, string>();
  for (const name of named) {
    const person = names.get(holders.get(name) ?? name.split("/")[1] ?? "");
    if (person) found.set(name, person);
  }
  return found;
}
