import type { Patient, Resource } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Select } from "antd";
import { useState } from "react";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useService } from "../session";
import { useAnswers } from "./FormView";
import type { AnswerProps } from "./Question";
import { targetsOf } from "./questionnaire";

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

const MOST = "12";

/** What a resource is called. */
function titleOf(resource: Resource): string {
  const { name, code, title, practitioner } = resource as Resource & {
    name?: unknown;
    title?: string;
    code?: { text?: string; coding?: { display?: string }[] };
    practitioner?: { display?: string };
  };
  if (typeof name === "string") return name;
  if (Array.isArray(name)) return nameOf(resource as Patient) ?? "";
  return practitioner?.display ?? title ?? code?.text ?? code?.coding?.[0]?.display ?? `${resource.resourceType}/${resource.id}`;
}

/** Something of the record, found by its name. */
export function ReferenceAnswer({ field, id, describedBy, isWrong }: AnswerProps) {
  const { t } = useTexts();
  const service = useService();
  const answer = useAnswers(field);
  const [typed, setTyped] = useState("");
  const { item, slots } = field;
  const targets = targetsOf(item);
  const text = typed.trim();
  const found = useQuery({
    queryKey: ["form-reference", ...targets, text],
    enabled: text !== "",
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const pages = targets.map((type) => service.search<Resource>(type, { [BY[type] ?? "_text"]: text, _count: MOST }, signal));
      return (await Promise.all(pages)).flatMap((page) => page.found);
    },
  });
  const chosen = slots.flatMap(({ value }) => (value?.valueReference?.reference === undefined ? [] : [value.valueReference]));
  const options = new Map(chosen.map((one) => [one.reference ?? "", one.display ?? one.reference ?? ""]));
  for (const resource of text === "" ? [] : (found.data ?? [])) options.set(`${resource.resourceType}/${resource.id}`, titleOf(resource));
  const isSeveral = item.repeats === true;
  const choose = (references: readonly string[]) =>
    answer(references.map((reference) => ({ value: { valueReference: { reference, display: options.get(reference) ?? reference } } })));
  return (
    <Select
      id={id}
      className="form-select"
      {...(isSeveral && { mode: "multiple" as const })}
      showSearch={{ filterOption: false, onSearch: setTyped }}
      allowClear
      aria-describedby={describedBy}
      {...(isWrong && { status: "error" as const })}
      placeholder={t("form.reference.hint")}
      notFoundContent={t(text === "" ? "form.reference.type" : found.isFetching ? "state.loading" : found.isError ? "form.reference.failed" : "form.reference.none")}
      getPopupContainer={(trigger: HTMLElement) => trigger.parentElement ?? trigger}
      options={[...options].map(([value, label]) => ({ value, label }))}
      value={isSeveral ? chosen.map(({ reference }) => reference) : (chosen[0]?.reference ?? null)}
      onChange={(value: unknown) => choose((Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string"))}
    />
  );
}
