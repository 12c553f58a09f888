import type { Identifier, Patient } from "@qingshan/client";
import { useState } from "react";
import { useTexts } from "../language";
import { identifiersOf, kindOf, masked, nameOf, phoneOf } from "./person";
import type { Glance } from "./reading";
import type { Relations } from "./relation";
import { Countdown, RelationLine } from "./Relation";
import { showConcept, showSpan, showTitle, useShown } from "./show";

/** Who this is, what may harm them and by what one sees their record, always in sight. */
export function Banner(props: {
  patient: Patient;
  glance: Glance | undefined;
  relations: Relations | null | undefined;
  /** Other people whose records are open in other tabs. */
  others: readonly string[];
  /** Whether the record itself is closed, so that nothing of health can be told. */
  isClosed: boolean;
}) {
  const { patient, glance, relations, others, isClosed } = props;
  const texts = useTexts();
  const { t } = texts;
  const { sexAndAge, birthDate } = useShown(patient);
  const phone = phoneOf(patient);
  const name = nameOf(patient) ?? t("patient.nameless");
  const isDead = patient.deceasedBoolean === true || patient.deceasedDateTime !== undefined;
  return (
    <section className="banner" aria-label={t("patient.banner")}>
      <h1>
        {name}
        {isDead && <span className="tag">{t("patient.deceased")}</span>}
        {patient.active === false && <span className="tag">{t("patient.inactive")}</span>}
      </h1>
      <p className="banner-sex">{sexAndAge}</p>
      <dl className="banner-facts">
        <div>
          <dt>{t("patient.born")}</dt>
          <dd>{birthDate}</dd>
        </div>
        {identifiersOf(patient).map((identifier) => (
          <Number key={`${identifier.system}|${identifier.value}`} identifier={identifier} />
        ))}
        {phone !== undefined && (
          <div>
            <dt>{t("patient.phone")}</dt>
            <dd className="number">{phone}</dd>
          </div>
        )}
      </dl>
      {!isClosed && <Allergies allergies={glance?.allergies} />}
      {!isClosed && <Alerts glance={glance} />}
      <RelationLine relations={relations} />
      {others.length > 0 && (
        <p className="other-tabs">{t("patient.otherTabs", { names: others.join(texts.locale === "zh-CN" ? "、" : ", ") })}</p>
      )}
      {relations?.emergencyUntil !== undefined && <Countdown id={patient.id ?? ""} until={relations.emergencyUntil} />}
    </section>
  );
}

/** A number of a person's, of which an identity card's is shown whole only when asked for. */
function Number({ identifier }: { identifier: Identifier }) {
  const { t } = useTexts();
  const [isWhole, setIsWhole] = useState(false);
  const kind = kindOf(identifier);
  const cover = masked(identifier);
  return (
    <div>
      <dt>{"key" in kind ? t(kind.key) : kind.text}</dt>
      <dd className="number">
        {isWhole ? identifier.value : cover}
        {cover !== identifier.value && (
          <button type="button" className="inline-button" aria-pressed={isWhole} onClick={() => setIsWhole(!isWhole)}>
            {t(isWhole ? "patient.hide" : "patient.show")}
          </button>
        )}
      </dd>
    </div>
  );
}

/** What whoever meets this person is warned of, and where they are being treated now. */
function Alerts({ glance }: { glance: Glance | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  const alerts = glance !== undefined && "found" in glance.alerts ? glance.alerts.found : [];
  const visits = glance !== undefined && "found" in glance.visits ? glance.visits.found : [];
  if (alerts.length === 0 && visits.length === 0) return null;
  return (
    <ul className="alerts">
      {alerts.map((flag) => (
        <li key={flag.id} className="tag tag-care">
          <span aria-hidden>⚑ </span>
          {showConcept(texts, flag.code)}
        </li>
      ))}
      {visits.map((visit) => {
        const what = [showTitle(texts, visit), visit.place?.display].filter(Boolean).join(" · ");
        const when = showSpan(texts, visit);
        return (
          <li key={visit.id} className="tag tag-new">
            <span aria-hidden>● </span>
            {when === "" ? t("patient.visit.undated", { what }) : t("patient.visit", { what, when })}
          </li>
        );
      })}
    </ul>
  );
}

/** Allergies. None recorded, none visible and none loaded are three different things, and none of them is “none”. */
function Allergies({ allergies }: { allergies: Glance["allergies"] | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  if (allergies === undefined) return <p className="allergies">{t("state.loading")}</p>;
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
