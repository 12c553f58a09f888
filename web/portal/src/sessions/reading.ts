import type { Appointment, Parameter, Parameters, Patient, Schedule, Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { bounds, dayAt } from "../calendar";
import { useService } from "../session";
import { given } from "../places/reading";

/** An expert's session, with what became of its places. What happened to each is told to staff alone. */
export interface ExpertSession {
  id: string;
  schedule: Schedule;
  place: { reference: string; name: string };
  expert: string;
  title: string;
  start: string;
  end: string;
  isCancelled: boolean;
  places: number;
  free: number;
  held: number;
  booked: number;
  arrived: number;
  seen: number;
  missed: number;
}

/** Reads what `$sessions` answers. */
export function readSessions(parameters: Parameters): ExpertSession[] {
  const all = (parameters.parameter ?? []).filter(({ name }) => name === "session");
  return all.map(({ part = [] }): ExpertSession => {
    const one = (name: string): Parameter | undefined => part.find((other) => other.name === name);
    const count = (name: string) => one(name)?.valueInteger ?? 0;
    const schedule = one("schedule")?.resource as Schedule;
    const place = one("place")?.valueReference;
    return {
      id: schedule.id ?? "",
      schedule,
      place: { reference: place?.reference ?? "", name: place?.display ?? "" },
      expert: one("expert")?.valueString ?? "",
      title: one("title")?.valueString ?? "",
      start: schedule.planningHorizon?.start ?? "",
      end: schedule.planningHorizon?.end ?? "",
      isCancelled: schedule.active === false,
      places: count("places"),
      free: count("free"),
      held: count("held"),
      booked: count("booked"),
      arrived: count("arrived"),
      seen: count("seen"),
      missed: count("missed"),
    };
  });
}

/** The sessions between two days, the second not among them. */
export function useSessions(from: string, to: string) {
  const service = useService();
  const asked = new URLSearchParams({ from, to }).toString();
  return useQuery({
    queryKey: ["sessions", asked],
    queryFn: async ({ signal }) => readSessions(await service.operation<Parameters>(`Schedule/$sessions?${asked}`, undefined, signal)),
  });
}

/** A day so many days later. */
export function later(day: string, days: number): string {
  return dayAt((bounds(day)?.from ?? 0) + days * 86_400_000);
}

/** The Monday of the week of a day. */
export function mondayOf(day: string): string {
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  return later(day, -((weekday + 6) % 7));
}

/** The first day of the month of a day, and of one so many months later. */
export function monthOf(day: string, months = 0): string {
  const [year = 0, month = 1] = day.split("-").map(Number);
  const first = new Date(Date.UTC(year, month - 1 + months, 1));
  return first.toISOString().slice(0, 10);
}

/** What a session is about, as it was written when it was planned. */
export const aboutOf = (session: ExpertSession): string => session.schedule.specialty?.[0]?.text ?? "";

const TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation";
const WHY = "https://qingshan.dev/fhir/StructureDefinition/session-cancelled";

/** What people should know of a session, in a language where it was written in it. */
export function noteOf({ schedule }: ExpertSession, locale: string): string {
  const translation = schedule._comment?.extension?.find(({ url }) => url === TRANSLATION)?.extension ?? [];
  const lang = translation.find(({ url }) => url === "lang")?.valueCode;
  const content = translation.find(({ url }) => url === "content")?.valueString;
  return (lang === locale ? content : undefined) ?? schedule.comment ?? "";
}

/** Why a session does not take place. */
export const whyOf = ({ schedule }: ExpertSession): string => schedule.extension?.find(({ url }) => url === WHY)?.valueString ?? "";

/** Who has booked a session, in the order of their times. */
export interface Booked {
  appointment: Appointment;
  patient: Patient | undefined;
}

/** Who has booked a session. */
export function useBookings(session: string) {
  const service = useService();
  return useQuery({
    queryKey: ["bookings", session],
    refetchInterval: 30_000,
    queryFn: async ({ signal }) => {
      const bundle = await service.operation<{ resourceType: "Bundle"; entry?: { resource?: Appointment | Patient }[] }>(
        `Schedule/${session}/$bookings`,
        undefined,
        signal,
      );
      const resources = (bundle.entry ?? []).flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
      const patients = new Map(
        resources.filter((one): one is Patient => one.resourceType === "Patient").map((one) => [`Patient/${one.id}`, one]),
      );
      const visits = resources.filter((one): one is Appointment => one.resourceType === "Appointment");
      return visits.map((appointment): Booked => ({ appointment, patient: patients.get(patientOf(appointment) ?? "") }));
    },
  });
}

/** The patient of an appointment. */
export const patientOf = ({ participant }: Appointment): string | undefined =>
  participant.map(({ actor }) => actor?.reference).find((reference) => reference?.startsWith("Patient/"));

/** Plans a session; asking again under the same key plans once. */
export const plan = (
  service: Service,
  told: Readonly<Record<"key" | "who" | "place" | "about" | "from" | "to" | "note" | "note-en", string>> & { minutes: number; pool: boolean },
): Promise<Schedule> => service.operation("Schedule/$plan-session", given({ ...told }));

/** Calls a session off. */
export const callOff = (service: Service, id: string, reason: string): Promise<Schedule> =>
  service.operation(`Schedule/${id}/$cancel-session`, given({ reason }));
