import type { Appointment, Parameter, Parameters, Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useService } from "../session";

/** A slot that can be had. */
export interface FreeSlot {
  slot: string;
  start: string;
  end: string;
  /** Whether it is kept for referrals. */
  isPooled: boolean;
}

/** What one department has at the moment of asking. */
export interface Department {
  service: string;
  name: string;
  organization: string;
  institution: { reference: string; name: string };
  /** Whether it sees people by appointment at all. */
  isClinic: boolean;
  slots: FreeSlot[];
  poolToday: number;
  poolWeek: number;
  /** Nothing where it has no beds. */
  beds: number | undefined;
  waiting: number;
  waitingInstitution: number;
}

export interface Availability {
  asOf: string;
  departments: Department[];
}

/** What is asked of departments. */
export interface Asking {
  specialty: string;
  organization: string;
  /** Whether what is kept for referrals counts as free. */
  forReferral: boolean;
}

/** The parts of a parameter of a name. */
const parts = (of: readonly Parameter[] | undefined, name: string): Parameter[] => (of ?? []).filter((part) => part.name === name);
const part = (of: readonly Parameter[] | undefined, name: string): Parameter | undefined => parts(of, name)[0];

/** Reads what `$availability` answers. */
export function readAvailability(parameters: Parameters): Availability {
  const departments = parts(parameters.parameter, "department").map(({ part: all }): Department => {
    const named = (name: string) => part(all, name)?.valueReference ?? {};
    const count = (name: string) => part(all, name)?.valueInteger;
    return {
      service: named("service").reference ?? "",
      name: named("service").display ?? "",
      organization: named("organization").reference ?? "",
      institution: { reference: named("institution").reference ?? "", name: named("institution").display ?? "" },
      isClinic: part(all, "clinic")?.valueBoolean === true,
      slots: parts(all, "slot").map(({ part: slot }) => ({
        slot: part(slot, "slot")?.valueReference?.reference ?? "",
        start: part(slot, "start")?.valueInstant ?? "",
        end: part(slot, "end")?.valueInstant ?? "",
        isPooled: part(slot, "pool")?.valueBoolean === true,
      })),
      poolToday: count("pool-today") ?? 0,
      poolWeek: count("pool-week") ?? 0,
      beds: count("beds"),
      waiting: count("waiting") ?? 0,
      waitingInstitution: count("waiting-institution") ?? 0,
    };
  });
  return { asOf: part(parameters.parameter, "as-of")?.valueInstant ?? "", departments };
}

/** Departments and what they have, as of when it was asked. */
export function useAvailability({ specialty, organization, forReferral }: Asking) {
  const service = useService();
  const asked = new URLSearchParams({ count: "3" });
  if (specialty.trim() !== "") asked.set("specialty", specialty.trim());
  if (organization !== "") asked.set("organization", organization);
  if (forReferral) asked.set("pool", "referral");
  return useQuery({
    queryKey: ["availability", asked.toString()],
    // What is free is told as of now; nothing older stands in for it.
    staleTime: 0,
    queryFn: async ({ signal }) =>
      readAvailability(await service.operation<Parameters>(`HealthcareService/$availability?${asked.toString()}`, undefined, signal)),
  });
}

/** Parameters that refer to resources. */
const REFERENCES = new Set(["slot", "schedule", "service", "patient", "request", "instead", "who", "place"]);

/** A Parameters resource of references, texts, numbers and yes or no. */
export function given(all: Readonly<Record<string, string | number | boolean | undefined>>): Parameters {
  const parameter = Object.entries(all).flatMap(([name, value]): Parameter[] => {
    if (value === undefined || value === "") return [];
    if (typeof value === "boolean") return [{ name, valueBoolean: value }];
    if (typeof value === "number") return [{ name, valueInteger: value }];
    return [REFERENCES.has(name) ? { name, valueReference: { reference: value } } : { name, valueString: value }];
  });
  return { resourceType: "Parameters", parameter };
}

/** What can be held: a slot, something free of a session, or a bed of a department. */
export interface Wanted {
  id: string;
  patient: string;
  slot?: string | undefined;
  schedule?: string | undefined;
  service?: string | undefined;
  "any-bed"?: boolean | undefined;
  request?: string | undefined;
  /** The hold this one is exchanged for. */
  instead?: string | undefined;
  until?: string | undefined;
  priority?: string | undefined;
}

/** Holds a place. Asking again under the same id holds once. */
export const hold = (service: Service, wanted: Wanted): Promise<Appointment> => service.operation("Appointment/$hold", given({ ...wanted }));

/** Books what is held. */
export const book = (service: Service, id: string): Promise<Appointment> => service.operation(`Appointment/${id}/$book`, given({}));

/** Gives a place back. */
export const release = (service: Service, id: string, reason: string): Promise<Appointment> =>
  service.operation(`Appointment/${id}/$release`, given({ reason }));

/** Marks what became of a visit. */
export const mark = (service: Service, id: string, status: "arrived" | "fulfilled" | "noshow"): Promise<Appointment> =>
  service.operation(`Appointment/${id}/$mark`, given({ status }));

const HOLD_UNTIL = "https://qingshan.dev/fhir/StructureDefinition/hold-until";

/** When a hold ends by itself, in milliseconds since 1970; nothing when it does not. */
export function heldUntil(appointment: Appointment): number | undefined {
  const until = appointment.extension?.find(({ url }) => url === HOLD_UNTIL)?.valueDateTime;
  return appointment.status === "pending" && until !== undefined ? Date.parse(until) : undefined;
}
