import type { Patient } from "@qingshan/client";
import { useTexts } from "../language";
import { identifiersOf, kindOf, nameOf, phoneOf } from "./person";
import type { Glance } from "./reading";
import { showConcept, useShown } from "./show";

/** Who this is and what may harm them, always in sight. */
export function Banner({ patient, glance }: { patient: Patient; glance: Glance | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  const { sexAndAge, birthDate } = useShown(patient);
  const phone = phoneOf(patient);
  const isDead = patient.deceasedBoolean === true || patient.deceasedDateTime !== undefined;
  return (
    <section className="banner" aria-label={t("patient.banner")}>
      <h1>
        {nameOf(patient) ?? t("patient.nameless")}
        {isDead && <span className="tag">{t("patient.deceased")}</span>}
        {patient.active === false && <span className="tag">{t("patient.inactive")}</span>}
      </h1>
      <p className="banner-sex">{sexAndAge}</p>
      <dl className="banner-facts">
        <div>
          <dt>{t("patient.born")}</dt>
          <dd>{birthDate}</dd>
        </div>
        {identifiersOf(patient).map((identifier) => {
          const kind = kindOf(identifier);
          return (
            <div key={`${identifier.system}|${identifier.value}`}>
              <dt>{"key" in kind ? t(kind.key) : kind.text}</dt>
              <dd className="number">{identifier.value}</dd>
            </div>
          );
        })}
        {phone !== undefined && (
          <div>
            <dt>{t("patient.phone")}</dt>
            <dd className="number">{phone}</dd>
          </div>
        )}
      </dl>
      <Allergies glance={glance} />
    </section>
  );
}

/** Allergies. None recorded, none visible and none loaded are three different things, and none of them is “none”. */
function Allergies({ glance }: { glance: Glance | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  if (glance === undefined) return <p className="allergies">{t("state.loading")}</p>;
  const { allergies } = glance;
  if ("failure" in allergies) {
    const isRefused = allergies.failure.kind === "refused";
    return <p className="allergies is-unknown">{t(isRefused ? "patient.allergies.refused" : "patient.allergies.failed")}</p>;
  }
  if (allergies.found.length === 0) return <p className="allergies">{t("patient.allergies.none")}</p>;
  return (
    <p className="allergies is-there">
      <strong>
        <span aria-hidden>⚠ </span>
        {t("patient.allergies")}
      </strong>
      {allergies.found.map(({ what, isHigh }, place) => (
        <span key={place} className={isHigh ? "allergy is-high" : "allergy"}>
          {showConcept(texts, what)}
          {isHigh && <span className="tag tag-grave">{t("patient.allergies.high")}</span>}
        </span>
      ))}
    </p>
  );
}
