import { Failure, type Parameters, type Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { bounds } from "../calendar";
import { about } from "./reading";

/** One reason for which somebody may see a record. */
export interface Held {
  /** A code of `https://qingshan.dev/fhir/CodeSystem/relation`, such as `treats` or `emergency`. */
  code: string;
  /** When it ends, in FHIR's notation, if that is known. */
  until: string | undefined;
}

/** How the caller stands to a person, as the record sees it. */
export interface Relations {
  held: Held[];
  /** Whether nothing opens the clinical part of the record to the caller. */
  isClosed: boolean;
  /** Whether the person has closed it to the caller's institution. */
  isRefused: boolean;
  /** Codes of the relations that would open it to somebody with the caller's duties. */
  openedBy: string[];
  /** When emergency access ends, in milliseconds since 1970, while it lasts. */
  emergencyUntil: number | undefined;
  /** Whether the caller's duty may open it in an emergency. */
  mayBreakGlass: boolean;
}

/** Reads what `$relation` answers. */
export function relationsOf(answer: Parameters): Relations {
  const parameters = answer.parameter ?? [];
  const flag = (name: string) => parameters.find((parameter) => parameter.name === name)?.valueBoolean ?? false;
  const held = parameters
    .filter(({ name }) => name === "relation")
    .map(({ part = [] }) => ({
      code: part.find(({ name }) => name === "code")?.valueCode ?? "",
      until: part.find(({ name }) => name === "until")?.valueInstant,
    }));
  const codes = parameters.filter(({ name }) => name === "opened-by").map(({ valueCode }) => valueCode ?? "");
  return {
    held,
    isClosed: flag("closed"),
    isRefused: flag("refused"),
    // What it takes in an emergency is offered by itself.
    openedBy: codes.filter((code) => code !== "emergency"),
    emergencyUntil: bounds(held.find(({ code }) => code === "emergency")?.until)?.to,
    mayBreakGlass: flag("emergency"),
  };
}

/** Of each kind of reason the one that lasts longest. */
export function lasting(held: readonly Held[]): Held[] {
  const longest = new Map<string, Held>();
  const end = ({ until }: Held) => (until === undefined ? Number.POSITIVE_INFINITY : (bounds(until)?.to ?? 0));
  for (const one of held) {
    const known = longest.get(one.code);
    if (known === undefined || end(known) < end(one)) longest.set(one.code, one);
  }
  return [...longest.values()];
}

/** How the caller stands to a person; nothing where the record does not say. */
export function useRelations(service: Service, id: string) {
  return useQuery({
    queryKey: [...about(id), "relation"],
    // What opens a record begins and ends by itself.
    refetchInterval: 60_000,
    queryFn: async ({ signal }): Promise<Relations | null> => {
      try {
        return relationsOf(await service.operation<Parameters>(`Patient/${encodeURIComponent(id)}/$relation`, undefined, signal));
      } catch (cause) {
        if (cause instanceof Failure && (cause.kind === "missing" || cause.kind === "invalid")) return null;
        throw cause;
      }
    },
  });
}

/** Why somebody opens a record that is closed to them: codes of `https://qingshan.dev/fhir/CodeSystem/emergency-reason`. */
export const emergencies = ["life-threatening", "unconscious", "no-papers", "other"] as const;

export type Emergency = (typeof emergencies)[number];

/** Opens a record for a short time, for a reason that is written down, told to the patient and reviewed. */
export async function breakGlass(service: Service, id: string, reason: Emergency, text: string): Promise<void> {
  await service.operation(`Patient/${encodeURIComponent(id)}/$break-glass`, {
    resourceType: "Parameters",
    parameter: [
      {
        name: "reason",
        valueCodeableConcept: {
          coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/emergency-reason", code: reason }],
          text,
        },
      },
    ],
  });
}
