import type { Patient, Service, Sex } from "@qingshan/client";
import { bounds, readDay } from "../calendar";
import { nameOf } from "./person";
import { plain, readResidentId, RESIDENT_ID, type ResidentId } from "./residentId";

/** What somebody typed to open a person's record. */
export interface Typed {
  family: string;
  given: string;
  residentId: string;
  sex: Sex | undefined;
  birthDate: string;
  phone: string;
}

/** What is wrong with each field, by the name of the string that says so. */
export interface Faults {
  family?: "register.required";
  given?: "register.required";
  residentId?: "register.residentId.shape" | "register.residentId.birthDate" | "register.residentId.checkDigit";
  sex?: "register.required";
  birthDate?: "register.required" | "register.birthDate.wrong" | "register.birthDate.future";
  phone?: "register.phone.wrong";
}

/** A person as typed, and what is wrong with that. Nothing is wrong when `faults` is empty. */
export interface Checked {
  faults: Faults;
  /** What the identity card says, if a number was typed. */
  card: ResidentId | undefined;
  birthDate: string | undefined;
  patient: Patient;
}

/** Reads a registration form. `now` is in milliseconds since 1970. */
export function check(typed: Typed, now: number): Checked {
  const faults: Faults = {};
  const family = typed.family.trim();
  const given = typed.given.trim();
  if (family === "") faults.family = "register.required";
  if (given === "") faults.given = "register.required";
  const card = typed.residentId.trim() === "" ? undefined : readResidentId(typed.residentId);
  if (card?.ok === false) faults.residentId = `register.residentId.${card.why}`;
  if (typed.sex === undefined) faults.sex = "register.required";
  const birthDate = readDay(typed.birthDate);
  if (typed.birthDate.trim() === "") faults.birthDate = "register.required";
  else if (birthDate === undefined) faults.birthDate = "register.birthDate.wrong";
  else if ((bounds(birthDate)?.from ?? 0) > now) faults.birthDate = "register.birthDate.future";
  const phone = plain(typed.phone).replace(/[-()]/g, "");
  if (phone !== "" && !/^\+?\d{5,20}$/.test(phone)) faults.phone = "register.phone.wrong";
  const patient: Patient = {
    resourceType: "Patient",
    active: true,
    ...(card?.ok && { identifier: [{ use: "official", system: RESIDENT_ID, value: card.value }] }),
    name: [{ use: "official", text: joined(family, given), family, given: [given] }],
    ...(phone !== "" && { telecom: [{ system: "phone", value: phone }] }),
    ...(typed.sex !== undefined && { gender: typed.sex }),
    ...(birthDate !== undefined && { birthDate }),
  };
  return { faults, card, birthDate, patient };
}

/** A name as it is written: without a space in Han, given name first in Latin letters. */
function joined(family: string, given: string): string {
  return /\p{Script=Han}/u.test(family + given) ? family + given : `${given} ${family}`.trim();
}

/** What came of opening a record. */
export type Registered =
  | { kind: "new"; id: string }
  /** The card's number was here already; nothing was written. */
  | { kind: "known"; patient: Patient }
  /** People of this name and birth date are here already; nothing was written. */
  | { kind: "twins"; patients: Patient[] };

/**
 * Opens a person's record, once, however often the form is sent. A card's number keeps a second record from being
 * opened; without one, whoever asks must have seen that none of their namesakes is the same person.
 *
 * @param id what the record is kept under when no card tells it apart
 * @param isNoTwin whether namesakes of the same birth date were seen and are others
 */
export async function register(service: Service, checked: Checked, id: string, isNoTwin: boolean): Promise<Registered> {
  const { card, patient } = checked;
  if (card?.ok) {
    const token = `${RESIDENT_ID}|${card.value}`;
    const { resource, isNew } = await service.createUnless<Patient>(patient, { identifier: token });
    return isNew ? { kind: "new", id: resource.id ?? "" } : { kind: "known", patient: resource };
  }
  if (!isNoTwin) {
    const name = nameOf(patient) ?? "";
    const { found } = await service.search<Patient>("Patient", {
      "name:exact": name,
      birthdate: checked.birthDate ?? "",
      _count: "10",
    });
    const patients = found.filter((other) => other.id !== id && nameOf(other) === name);
    if (patients.length > 0) return { kind: "twins", patients };
  }
  const kept = await service.createOnce({ ...patient, id });
  return { kind: "new", id: kept.id ?? id };
}
