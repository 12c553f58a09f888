import type { Consent } from "@qingshan/client";

const SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope";
const ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/**
 * A person's decision that one institution, or one who acts for them, may not see their record.
 * <http://hl7.org/fhir/R4/consent.html>
 *
 * @param whom a reference, such as `Organization/7` or `RelatedPerson/7`
 * @param at a moment in FHIR's notation
 */
export function closing(id: string, patient: string, whom: string, at: string): Consent & { id: string } {
  return {
    resourceType: "Consent",
    id,
    status: "active",
    scope: { coding: [{ system: SCOPE, code: "patient-privacy" }] },
    category: [{ coding: [{ system: "http://loinc.org", code: "59284-0", display: "Consent Document" }] }],
    patient: { reference: `Patient/${patient}` },
    dateTime: at,
    policyRule: { coding: [{ system: ACT, code: "OPTOUT" }] },
    provision: {
      type: "deny",
      actor: [
        {
          role: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code: "IRCP" }] },
          reference: { reference: whom },
        },
      ],
    },
  };
}

/** What a consent decides, as far as a person is told: whom it concerns, and whether it opens or closes. */
export interface Decision {
  consent: Consent;
  isDenial: boolean;
  /** References to those it is about. */
  actors: string[];
}

/** Reads a consent with its provisions, of which a denial weighs more. */
export function decisionOf(consent: Consent): Decision {
  const provisions = [consent.provision, ...(consent.provision?.provision ?? [])].filter((one) => one !== undefined);
  const actors = provisions.flatMap((one) => (one.actor ?? []).map((actor) => actor.reference.reference ?? ""));
  return { consent, isDenial: provisions.some((one) => one.type === "deny"), actors: [...new Set(actors)].filter(Boolean) };
}
