import type { Patient } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { useService, useSession } from "../session";
import { HomeLane } from "../ambulance/Lane";
import { FailureNotice, Loading, Nothing } from "../states";
import { UnderWay } from "./UnderWay";
import "./mine.css";

/** Where somebody who is here for themselves begins: their own record, and those of the people they act for. */
export default function MinePage() {
  const { t } = useTexts();
  const service = useService();
  const session = useSession();
  const { own = [], charges = [] } = session.patients ?? {};
  const ids = [...own, ...charges];
  const people = useQuery({
    queryKey: ["mine", ...ids],
    enabled: ids.length > 0,
    queryFn: ({ signal }) => service.search<Patient>("Patient", { _id: ids.join(","), _count: String(ids.length) }, signal),
  });
  const found = new Map((people.data?.found ?? []).map((patient) => [patient.id, patient]));
  const theirs = (wanted: readonly string[]) => wanted.map((id) => found.get(id)).filter((patient) => patient !== undefined);
  return (
    <section className="mine">
      <h1>{t("mine.title", { name: session.name })}</h1>
      <HomeLane />
      {ids.length === 0 && <Nothing title={t("mine.none")} help={t("mine.none.help")} />}
      {people.isError && <FailureNotice cause={people.error} retry={() => void people.refetch()} />}
      {people.isPending && ids.length > 0 && <Loading rows={5} />}
      {distinct(theirs(own)).map((patient) => (
        <Record key={patient.id} patient={patient} who={t("mine.own")} />
      ))}
      {theirs(charges).map((patient) => (
        <Record key={patient.id} patient={patient} who={t("mine.charge")} />
      ))}
    </section>
  );
}

/** A person whom two institutions registered has two records and is shown once: the page gathers both. */
function distinct(patients: readonly Patient[]): Patient[] {
  return [...new Map(patients.map((patient) => [`${nameOf(patient)}|${patient.birthDate}`, patient])).values()];
}

function Record({ patient, who }: { patient: Patient; who: string }) {
  const { t } = useTexts();
  const { sexAndAge } = useShown(patient);
  const id = encodeURIComponent(patient.id ?? "");
  return (
    <article className="card mine-record">
      <header>
        <span className="what">{who}</span>
        <h2>{nameOf(patient) ?? t("patient.nameless")}</h2>
        <span>{sexAndAge}</span>
      </header>
      {patient.id !== undefined && <UnderWay patient={patient.id} />}
      <nav aria-label={nameOf(patient) ?? t("patient.nameless")}>
        <Link className="mine-door is-main" href={`/patients/${id}`}>
          {t("mine.record")}
        </Link>
        <Link className="mine-door" href={`/patients/${id}?view=tables`}>
          {t("mine.tables")}
        </Link>
        <Link className="mine-door" href={`/patients/${id}?view=looked`}>
          {t("mine.looked")}
        </Link>
        <Link className="mine-door" href={`/mine/${id}/consents`}>
          {t("mine.consents")}
        </Link>
      </nav>
    </article>
  );
}
