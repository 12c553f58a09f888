import { Failure, type Parameter, type Parameters, type Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { bounds } from "../calendar";
import { about } from "./reading";

/** One reason for which somebody may see a record. */
export interface Held {
  /** Such as `treats`, `referred-to`, `contracted` or `emergency`. */
  kind: string;
  /** What it rests on, as a reference or in words. */
  through: string | undefined;
  until: string | undefined;
}

/** Something that stays closed, and what would open it. */
export interface Closed {
  what: string;
  opens: string[];
}

/** How the caller stands to a person, as the record sees it. */
export interface Relations {
  /** Whether anything of the record is open. */
  isOpen: boolean;
  held: Held[];
  closed: Closed[];
  /** When emergency access ends, in milliseconds since 1970, while it lasts. */
  emergencyUntil: number | undefined;
  /** Whether the caller's duty may open it in an emergency. */
  mayBreakGlass: boolean;
}

/** Reads what `$relation` answers. */
export function relationsOf(answer: Parameters): Relations {
  const parameters = answer.parameter ?? [];
  const all = (name: string) => parameters.filter((parameter) => parameter.name === name);
  const held = all("relation").map((relation) => ({
    kind: textOf(part(relation, "kind")) ?? "none",
    through: textOf(part(relation, "through")),
    until: textOf(part(relation, "until")),
  }));
  const closed = all("closed").map((one) => ({
    what: textOf(part(one, "what")) ?? "record",
    opens: (one.part ?? []).filter(({ name }) => name === "opens").map((opens) => textOf(opens) ?? ""),
  }));
  const emergency = held.find(({ kind }) => kind === "emergency");
  return {
    isOpen: all("open")[0]?.valueBoolean ?? held.some(({ kind }) => kind !== "none"),
    held: held.filter(({ kind }) => kind !== "none"),
    closed,
    emergencyUntil: bounds(emergency?.until)?.to,
    mayBreakGlass: all("emergency")[0]?.valueBoolean ?? false,
  };
}

const part = (of: Parameter, name: string) => of.part?.find((entry) => entry.name === name);

function textOf(parameter: Parameter | undefined): string | undefined {
  if (parameter === undefined) return undefined;
  const { valueCode, valueString, valueDateTime, valueInstant, valueReference, valueCoding } = parameter;
  return valueCode ?? valueString ?? valueDateTime ?? valueInstant ?? valueReference?.display ?? valueReference?.reference ?? valueCoding?.code;
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
