import type { CodeableConcept, Organization, Patient, Reference, Resource, Service } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Select } from "antd";
import { Suspense, useState } from "react";
import { showDate } from "../calendar";
import { useTexts, type Texts } from "../language";
import { housesOf, wholeName } from "../organizations";
import { part } from "../part";
import { nameOf } from "../patients/person";
import { useBrought } from "../routing/where";
import { showConcept } from "../patients/show";
import { useService } from "../session";
import { namesOf } from "../work/actors";
import { useAnswers, useAround } from "./FormView";
import type { AnswerProps } from "./Question";
import { targetsOf } from "./questionnaire";

const RoutingAnswer = part(() => import("../routing/CaseRouting"));

/** The parameter by which each kind of thing is looked for; by its text where none is known. */
const BY: Readonly<Record<string, string>> = {
  Organization: "name",
  Practitioner: "name",
  Patient: "name",
  Location: "name",
  HealthcareService: "name",
  CareTeam: "name",
  PractitionerRole: "practitioner.name",
  Medication: "code:text",
  Condition: "code:text",
  Device: "device-name",
};

/** How many are offered of what is looked for by name, and of one patient's record. */
const MOST = "12";
const MOST_OF_ONE = "100";

/** What stands in the record of one patient. Somebody else's must never be pointed to, so only theirs is offered. */
const OF_A_PATIENT = new Set([
  "AllergyIntolerance",
  "CarePlan",
  "Composition",
  "Condition",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "ImagingStudy",
  "Immunization",
  "MedicationRequest",
  "MedicationStatement",
  "Observation",
  "Procedure",
  "QuestionnaireResponse",
  "ServiceRequest",
]);

type Named = Resource & {
  name?: unknown;
  title?: string;
  description?: string;
  type?: CodeableConcept;
  code?: CodeableConcept;
  vaccineCode?: CodeableConcept;
  medicationCodeableConcept?: CodeableConcept;
  practitioner?: Reference;
} & Partial<Record<"effectiveDateTime" | "authoredOn" | "recordedDate" | "issued" | "started" | "performedDateTime" | "date", string>>;

/** What a resource is called; what stands in a record also by its day. */
function titleOf(texts: Texts, resource: Resource): string {
  const one = resource as Named;
  const { name, code, title, practitioner } = one;
  if (typeof name === "string") return name;
  if (Array.isArray(name)) return nameOf(resource as Patient) ?? "";
  const concept = code ?? one.medicationCodeableConcept ?? one.vaccineCode;
  const what = practitioner?.display ?? title ?? (concept && showConcept(texts, concept)) ?? one.description ?? (one.type && showConcept(texts, one.type));
  const day = one.effectiveDateTime ?? one.performedDateTime ?? one.authoredOn ?? one.started ?? one.recordedDate ?? one.issued ?? one.date;
  return [what ?? `${resource.resourceType}/${resource.id}`, day && showDate(day, texts.locale)].filter(Boolean).join(" · ");
}

/** What is found by its name, with a name by which it is told apart. */
async function named(service: Service, texts: Texts, targets: readonly string[], text: string, signal: AbortSignal): Promise<[string, string][]> {
  const pages = targets.map((type) => service.search<Resource>(type, { [BY[type] ?? "_text"]: text, _count: MOST }, signal));
  const found = (await Promise.all(pages)).flatMap((page) => page.found);
  const places = found.filter((one): one is Organization => one.resourceType === "Organization");
  const posts = found.filter((one) => one.resourceType === "PractitionerRole").map((one) => ({ reference: `PractitionerRole/${one.id}` }));
  const [houses, people] = await Promise.all([housesOf(service, places, signal), posts.length === 0 ? new Map<string, string>() : namesOf(service, posts, signal)]);
  return found.map((one) => {
    const reference = `${one.resourceType}/${one.id}`;
    const title = one.resourceType === "Organization" ? wholeName(one as Organization, houses) : people.get(reference);
    return [reference, title ?? titleOf(texts, one)];
  });
}

/** What stands in one patient's record, newest first. */
async function recorded(service: Service, texts: Texts, targets: readonly string[], patient: string, signal: AbortSignal): Promise<[string, string][]> {
  const params = { patient: patient.replace("Patient/", ""), _sort: "-_lastUpdated", _count: MOST_OF_ONE };
  const pages = targets.map((type) => service.search<Resource>(type, params, signal));
  const found = (await Promise.all(pages)).flatMap((page) => page.found);
  return found.map((one) => [`${one.resourceType}/${one.id}`, titleOf(texts, one)]);
}

/** Something of the record, found by its name. */
export function ReferenceAnswer({ field, id, describedBy, isWrong }: AnswerProps) {
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const answer = useAnswers(field);
  const { patient } = useAround().knowledge;
  const [typed, setTyped] = useState("");
  const { item, slots } = field;
  const all = targetsOf(item);
  const isRecord = all.length > 0 && all.every((type) => OF_A_PATIENT.has(type));
  const targets = isRecord ? all : all.filter((type) => !OF_A_PATIENT.has(type));
  const text = typed.trim();
  const asked = isRecord ? (patient ?? "") : text;
  const found = useQuery<[string, string][]>({
    queryKey: ["form-reference", locale, ...targets, asked],
    enabled: asked !== "",
    // Of another patient nothing may be offered, not even while theirs is on its way.
    placeholderData: (before) => (isRecord ? undefined : before),
    queryFn: ({ signal }) => (isRecord ? recorded : named)(service, texts, targets, asked, signal),
  });
  const chosen = slots.flatMap(({ value }) => (value?.valueReference?.reference === undefined ? [] : [value.valueReference]));
  const options = new Map(chosen.map((one) => [one.reference ?? "", one.display ?? one.reference ?? ""]));
  for (const [reference, title] of asked === "" ? [] : (found.data ?? [])) options.set(reference, title);
  const isSeveral = item.repeats === true;
  // Whoever brings a patient on is told who can treat them, how far that is, and why not elsewhere.
  const isWhere = useBrought() !== undefined && !isSeveral && !field.isFixed && all.join() === "Organization";
  const choose = (references: readonly string[]) =>
    answer(references.map((reference) => ({ value: { valueReference: { reference, display: options.get(reference) ?? reference } } })));
  return (
    <>
      <Select
        id={id}
        className="form-select"
        {...(isSeveral && { mode: "multiple" as const })}
        showSearch={isRecord ? { optionFilterProp: "label" } : { filterOption: false, onSearch: setTyped }}
        allowClear
        aria-describedby={describedBy}
        {...(isWrong && { status: "error" as const })}
        placeholder={t(isRecord ? "form.reference.record" : "form.reference.hint")}
        notFoundContent={t(
          asked === "" ? "form.reference.type" : found.isFetching ? "state.loading" : found.isError ? "form.reference.failed" : isRecord ? "form.reference.record.none" : "form.reference.none",
        )}
        getPopupContainer={(trigger: HTMLElement) => trigger.parentElement ?? trigger}
        options={[...options].map(([value, label]) => ({ value, label }))}
        value={isSeveral ? chosen.map(({ reference }) => reference) : (chosen[0]?.reference ?? null)}
        onChange={(value: unknown) => choose((Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string"))}
      />
      {isWhere && (
        <Suspense fallback={null}>
          <RoutingAnswer
            to={chosen[0]?.reference}
            onChoose={(site) => answer([{ value: { valueReference: { reference: site.institution, display: site.name } } }])}
          />
        </Suspense>
      )}
    </>
  );
}
