import type { Protocol } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { useRuns } from "../runs/reading";
import { useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Decline, One } from "./Suggestions";
import { byGravity, type Suggested } from "./suggestions";
import "./suggestions.css";

/** What the record suggests of the inpatients of the own institution, patient by patient. */
export default function Ward({ protocol }: { protocol: Protocol }) {
  const { t } = useTexts();
  const runs = useRuns();
  const organization = postOf(useSession())?.organization;
  const [declining, setDeclining] = useState<Suggested>();
  const found = useQuery({
    queryKey: ["suggestions", "ward", protocol.code, organization],
    enabled: organization !== undefined,
    queryFn: async ({ signal }): Promise<Suggested[]> =>
      (await runs.suggestions(protocol.code, { organization: organization ?? "" }, signal)).map((one) => ({ ...one, protocol })),
  });
  if (found.isError && found.data === undefined) return <FailureNotice cause={found.error} retry={() => void found.refetch()} />;
  if (found.data === undefined) return <Loading rows={6} />;
  const open = byGravity(found.data.filter(({ declined }) => declined === undefined));
  if (open.length === 0) return <Nothing title={t("suggestions.ward.none")} help={t("suggestions.ward.help")} />;
  const people = [...new Map(open.map((one) => [one.patient.reference, one.patient])).values()];
  return (
    <section className="card" aria-label={t("suggestions.ward.title")}>
      <p className="what">{t("suggestions.ward.help")}</p>
      {people.map(({ reference, display }) => {
        const id = reference.replace("Patient/", "");
        return (
          <section key={reference} className="suggestions">
            <h2>
              <Link href={`/patients/${encodeURIComponent(id)}`}>{display ?? t("patient.nameless")}</Link>
            </h2>
            <ul>
              {open
                .filter(({ patient }) => patient.reference === reference)
                .map((one) => (
                  <One key={one.key} one={one} onDecline={() => setDeclining(one)} />
                ))}
            </ul>
          </section>
        );
      })}
      {declining !== undefined && (
        <Decline one={declining} patient={declining.patient.reference.replace("Patient/", "")} onClose={() => setDeclining(undefined)} />
      )}
    </section>
  );
}
