import type { Protocol } from "@qingshan/client";

export type Role = NonNullable<Protocol["role"]>[number];

/** The ways in which whoever wears these duties may start a protocol by hand. */
export function startsFor(protocol: Pick<Protocol, "start">, duties: readonly string[]): NonNullable<Protocol["start"]> {
  const byHand = (protocol.start ?? []).filter((start) => start.by === "hand");
  return byHand.filter((start) => (start.duties ?? []).length === 0 || start.duties?.some((duty) => duties.includes(duty)));
}

/** The role that whoever wears these duties takes by themselves: the first of which they hold one. */
export function ownRole(roles: readonly Role[], duties: readonly string[]): Role | undefined {
  const free = roles.filter((role) => role.party === "institution" || role.party === "person");
  return free.find((role) => role.duties?.some((duty) => duties.includes(duty)));
}

/**
 * The roles without which a run cannot start and that nobody was named for. What a run is about says by itself whom
 * some roles are bound to.
 */
export function missingRoles(roles: readonly Role[], bound: Readonly<Record<string, string>>, hasFocus: boolean): string[] {
  const isNeeded = (role: Role) => !role.optional && role.otherwise === undefined && !(role.bind !== undefined && hasFocus);
  return roles.filter((role) => isNeeded(role) && !bound[role.code]).map((role) => role.code);
}

/** Whether a way to start makes what the run is about itself, so that nobody need say what that is. */
export function makesFocus(protocol: Pick<Protocol, "focus" | "activity">, start: { make?: string } | undefined): boolean {
  const made = protocol.activity?.find(({ code }) => code === start?.make)?.create;
  return made !== undefined && made === protocol.focus;
}
