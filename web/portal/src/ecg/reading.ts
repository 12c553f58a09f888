import type { DiagnosticReport, Observation, Patient, Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useService } from "../session";
import { tracingOf } from "./tracing";

const LOINC = "http://loinc.org";
/** Studies of twelve leads: <https://loinc.org/11524-6>, <https://loinc.org/34534-8>. */
const CODES = `${LOINC}|11524-6,${LOINC}|34534-8`;

/** The electrocardiograms of a patient since a time, newest first. */
export function useEcgs(patient: string, since: string) {
  const service = useService();
  return useQuery({
    queryKey: ["ecgs", patient, since],
    queryFn: async ({ signal }) => {
      const found = await service.search<DiagnosticReport>("DiagnosticReport", { patient, code: CODES, date: `ge${since}`, _sort: "-date", _count: "50" }, signal);
      return found.found.filter(({ status }) => status !== "entered-in-error" && status !== "cancelled");
    },
  });
}

/** One electrocardiogram: what tells of it, whose it is, and its leads if it has any that can be drawn. */
export function useEcg(id: string) {
  const service = useService();
  return useQuery({ queryKey: ["ecg", id], queryFn: ({ signal }) => ecgOf(service, id, signal) });
}

async function ecgOf(service: Service, id: string, signal: AbortSignal) {
  const report = await service.read<DiagnosticReport>("DiagnosticReport", id, signal);
  const patient = (report.subject?.reference ?? "").replace("Patient/", "");
  const [whose, ...results] = await Promise.all([
    service.read<Patient>("Patient", patient, signal),
    ...(report.result ?? []).flatMap(({ reference = "" }) => {
      const [type, id] = reference.split("/");
      return type === "Observation" && id !== undefined ? [service.read<Observation>("Observation", id, signal)] : [];
    }),
  ]);
  return { report, patient: whose, tracing: tracingOf(results) };
}
