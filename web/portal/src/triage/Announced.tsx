import type { Patient } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { timeAt } from "../calendar";
import { useTexts } from "../language";
import { useLive } from "../live";
import { awaited, needsAmbulance, searchFor, told, topicOf, type Announced as One } from "../mine/announcing";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { useService } from "../session";
import { FailureNotice } from "../states";

/** Somebody who said that they come, and who they are. */
export interface Expected {
  one: One;
  patient: Patient;
}

/**
 * Those who have said themselves that they come: by their own word, looked at by nobody. A person at the desk joins one with
 * who stands there, or says that nobody came; nothing begins by itself.
 */
export function Announced({ hospital, now, onArrived }: { hospital: string; now: number; onArrived(expected: Expected): void }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const key = ["triage", "announced", hospital];
  const found = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const all = await service.all<One>("Communication", searchFor({ recipient: `Organization/${hospital}` }, Date.now()), signal);
      const ids = [...new Set(all.flatMap((one) => told(one).patient?.reference?.replace("Patient/", "") ?? []))];
      const people = ids.length === 0 ? [] : await service.all<Patient>("Patient", { _id: ids.join(","), _count: "100" }, signal);
      const known = new Map(people.map((one) => [`Patient/${one.id ?? ""}`, one]));
      return all.flatMap((one): Expected[] => {
        const patient = known.get(told(one).patient?.reference ?? "");
        return patient === undefined ? [] : [{ one, patient }];
      });
    },
  });
  useLive(topicOf(hospital), () => void cache.invalidateQueries({ queryKey: key }));
  const absent = useMutation({
    mutationFn: (one: One) => service.update({ ...one, status: "not-done" }),
    onSettled: () => void cache.invalidateQueries({ queryKey: key }),
  });
  if (found.isError) return <FailureNotice cause={found.error} retry={() => void found.refetch()} />;
  const all = found.data ?? [];
  const open = awaited(all.map(({ one }) => one), now);
  if (open.length === 0) return null;
  return (
    <section className="triage-announced" aria-label={t("announced.title")}>
      <h2>{t("announced.title")}</h2>
      <p className="what">{t("announced.help")}</p>
      {absent.isError && <FailureNotice cause={absent.error} />}
      <ul>
        {open.map((one) => {
          const expected = all.find((other) => other.one === one);
          if (expected === undefined) return null;
          const { complaint, label, words, expected: at } = told(one);
          const isGrave = complaint !== undefined && needsAmbulance(complaint);
          return (
            <li key={one.id}>
              <span className="triage-who">
                <Who patient={expected.patient} />
                <span className={isGrave ? "tag tag-grave" : "tag"}>
                  {isGrave && <span aria-hidden>▲ </span>}
                  {label}
                </span>
                {words !== undefined && <span>{words}</span>}
                <span className="what">{t(at < now ? "announced.late" : "announced.at", { time: timeAt(at).slice(0, 5) })}</span>
              </span>
              <span className="triage-announced-acts">
                <Button type="primary" onClick={() => onArrived(expected)}>
                  {t("announced.here")}
                </Button>
                <Button onClick={() => absent.mutate(one)} disabled={absent.isPending}>
                  {t("announced.absent")}
                </Button>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/**
 * What somebody said of themselves before they came, for whoever grades them; it is looked at, and proves nothing. That they
 * came may be noted only after their grading is open, or not at all, so it is not waited for.
 */
export function Said({ patient }: { patient: string }) {
  const service = useService();
  const found = useQuery({
    queryKey: ["triage", "said", patient],
    queryFn: async ({ signal }) => (await service.search<One>("Communication", { ...searchFor({ patient }, Date.now()), status: "in-progress,completed", _count: "1" }, signal)).found[0] ?? null,
  });
  return found.data == null ? null : <Words one={found.data} />;
}

/** The words of an announcement, in one line. */
export function Words({ one }: { one: One }) {
  const { t } = useTexts();
  const { label, words } = told(one);
  return <p className="triage-said">{t("announced.said", { what: [label, words].filter(Boolean).join(" · ") })}</p>;
}

function Who({ patient }: { patient: Patient }) {
  const { t } = useTexts();
  const { sexAndAge } = useShown(patient);
  return (
    <strong>
      {nameOf(patient) ?? t("patient.nameless")} <span className="what">{sexAndAge}</span>
    </strong>
  );
}
