import { readFileSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import type { Stage } from "./stage";

/** When the patient of the drill comes to the door: whatever is told of it is told in minutes from then. */
export const DOOR = Date.parse("2026-11-23T02:20:00+08:00");
const MINUTE = 60_000;

export const at = (minute: number): number => DOOR + minute * MINUTE;
const written = (minute: number): string => new Date(at(minute)).toISOString();

/** What came about: in which run, when, and where it was taken from. */
export interface Told {
  run: string;
  code: string;
  /** Minutes from the door. */
  minute: number;
  /** The type of the resource that says so, or who pressed. */
  from: string;
}

/** A run as the service tells it, as far as it is told here. */
export interface Run {
  id: string;
  protocol: { code: string };
  patient: { reference: string };
  milestones: { code: string; at: string; recorded: string; source?: string; by?: string; reason?: string }[];
  steps: { code: string; run?: string }[];
  clocks: { code: string; stopped?: string; level?: string }[];
}

/** What must come of the drill. */
export const expected = JSON.parse(readFileSync(new URL("../drill/history.json", import.meta.url), "utf8")) as Told[];

/** The milestones of runs in the order in which they came about. */
export function history(runs: readonly Run[]): Told[] {
  const told = runs.flatMap(({ protocol, milestones }) =>
    milestones.map(({ code, at, source, by }) => ({
      run: protocol.code,
      code,
      minute: (Date.parse(at) - DOOR) / MINUTE,
      from: source === undefined ? (by?.split("/").pop() ?? "") : (source.split("/")[0] ?? ""),
    })),
  );
  return told.sort((left, right) => left.minute - right.minute || left.run.localeCompare(right.run) || left.code.localeCompare(right.code));
}

/** As it stands in the file, a line each. */
export const told = (history: readonly Told[]): string => `[\n${history.map((one) => `  ${JSON.stringify(one)}`).join(",\n")}\n]\n`;

const coding = (system: string, code: string) => ({ coding: [{ system, code }] });
const loinc = (code: string) => coding("http://loinc.org", code);
const EVENT = "https://qingshan.dev/fhir/CodeSystem/emergency-event";
const OBSERVATION = "https://qingshan.dev/fhir/CodeSystem/emergency-observation";
const HOSPITAL = { reference: "Organization/county" };
const EMERGENCY = { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "EMER" };

/** The systems of a hospital and of an ambulance, each of which writes what it knows at the moment it comes to know it. */
export class Systems {
  private visit: Record<string, unknown> | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly patient: string,
  ) {}

  private write(machine: string, resourceType: string, rest: object): Promise<Record<string, unknown>> {
    return this.stage.ask(machine, "POST", `/fhir/${resourceType}`, { resourceType, subject: { reference: this.patient }, ...rest });
  }

  /** What the dispatch centre knows of the call, when each came about. */
  async dispatch(known: Readonly<Record<string, number>>): Promise<void> {
    for (const [code, minute] of Object.entries(known)) {
      await this.write("dispatch", "Observation", { status: "final", code: coding(OBSERVATION, code), effectiveDateTime: written(minute) });
    }
  }

  /** Something measured by a device or a laboratory. */
  async value(machine: string, code: string, minute: number, value: number, unit: string): Promise<void> {
    const valueQuantity = { value, unit, system: "http://unitsofmeasure.org", code: unit };
    await this.write(machine, "Observation", { status: "final", code: loinc(code), effectiveDateTime: written(minute), issued: written(minute), valueQuantity });
  }

  async pressure(minute: number, systolic: number, diastolic: number): Promise<void> {
    const part = (code: string, value: number) => ({ code: loinc(code), valueQuantity: { value, unit: "mm[Hg]", system: "http://unitsofmeasure.org", code: "mm[Hg]" } });
    const component = [part("8480-6", systolic), part("8462-4", diastolic)];
    await this.write("monitor", "Observation", { status: "final", code: loinc("85354-9"), effectiveDateTime: written(minute), component });
  }

  /** The registration, and where the visit stands after it. */
  async visited(status: "arrived" | "triaged" | "in-progress", minute: number): Promise<void> {
    if (this.visit === undefined) {
      this.visit = await this.write("registration", "Encounter", { status, class: EMERGENCY, serviceProvider: HOSPITAL, period: { start: written(minute) } });
      return;
    }
    const past = (this.visit["statusHistory"] as object[] | undefined) ?? [];
    const statusHistory = [...past, { status, period: { start: written(minute) } }];
    const { meta: _, ...known } = this.visit;
    this.visit = await this.stage.ask("registration", "PUT", `/fhir/Encounter/${String(this.visit["id"])}`, { ...known, status, statusHistory });
  }

  async drawn(minute: number): Promise<void> {
    await this.write("laboratory", "Specimen", { collection: { collectedDateTime: written(minute) } });
  }

  /** The first image is stored. */
  async pictures(minute: number, description: string): Promise<string> {
    const modality = [{ system: "http://dicom.nema.org/resources/ontology/DCM", code: "CT" }];
    const study = await this.write("pacs", "ImagingStudy", { status: "available", started: written(minute), modality, description });
    return `ImagingStudy/${String(study["id"])}`;
  }

  async reported(minute: number, study: string): Promise<void> {
    const times = { issued: written(minute), effectiveDateTime: written(minute) };
    await this.write("pacs", "DiagnosticReport", { status: "preliminary", code: loinc("24725-4"), ...times, imagingStudy: [{ reference: study }] });
  }

  async signed(minute: number): Promise<void> {
    const scope = coding("http://terminology.hl7.org/CodeSystem/consentscope", "treatment");
    const category = [coding("https://qingshan.dev/fhir/CodeSystem/consent", "thrombolysis")];
    const policyRule = coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN");
    const consent = { resourceType: "Consent", status: "active", scope, category, policyRule, patient: { reference: this.patient }, dateTime: written(minute) };
    await this.stage.ask("consents", "POST", "/fhir/Consent", consent);
  }

  /** The drug begins to run. */
  async given(minute: number): Promise<void> {
    const medicationCodeableConcept = { ...coding("http://www.whocc.no/atc", "B01AD02"), text: "阿替普酶" };
    await this.write("infusion", "MedicationAdministration", { status: "in-progress", medicationCodeableConcept, effectivePeriod: { start: written(minute) } });
  }

  /** What the angiography room records. */
  async performed(minute: number, code: string): Promise<void> {
    await this.write("cath-lab", "Procedure", { status: "completed", code: coding(EVENT, code), performedDateTime: written(minute) });
  }
}

/** The systems that write, each by its own name. */
export const machines = ["dispatch", "monitor", "registration", "laboratory", "pacs", "consents", "infusion", "cath-lab"];

/** Shows a run to somebody, with what they can do in it. */
export async function look(page: Page, run: string): Promise<void> {
  if (new URL(page.url()).pathname !== `/runs/${run}`) await page.goto(`/runs/${run}`);
  await page.locator(".run-head").waitFor();
}

const step = (page: Page, title: string): Locator => page.locator(".open-steps li").filter({ has: page.getByText(title, { exact: true }) });

/** Does a step with one touch, and waits until it is done. */
export async function touch(page: Page, run: string, title: string, button: string): Promise<void> {
  await look(page, run);
  await step(page, title).getByRole("button", { name: button, exact: true }).click();
  // While it is on its way the button says so; once it is done the step is no longer to be done.
  await step(page, title).waitFor({ state: "detached" });
}

/** Opens the form of a step. */
export async function open(page: Page, run: string, title: string): Promise<void> {
  await look(page, run);
  await step(page, title).getByRole("link", { name: "填写" }).click();
  await page.locator(".task-title", { hasText: title }).waitFor();
}

/**
 * Answers every question of a form that has choices.
 *
 * @param usual the place of the choice, from 0
 * @param others the places for those questions that begin with these words
 */
export async function answerAll(page: Page, usual: number, others: Readonly<Record<string, number>> = {}): Promise<void> {
  await page.locator(".task-doing .step-form .form").waitFor();
  for (const question of await page.locator(".form-question > fieldset").all()) {
    const asked = await question.locator("legend").innerText();
    const [, place = usual] = Object.entries(others).find(([words]) => asked.startsWith(words)) ?? [];
    await question.locator(".form-scale label").nth(place).click();
  }
}
