import type { Patient, Task } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { nameOf } from "../patients/person";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { showMoment } from "../views/Readable";
import { namesOf } from "./actors";
import { Judging } from "./Judging";
import { isEmergency, reasonOf, TASK } from "./review";

/** Emergency accesses that nobody has judged yet, the longest waiting first. */
export default function EmergenciesPage() {
  const { t } = useTexts();
  const service = useService();
  const waiting = useQuery({
    queryKey: ["emergencies"],
    refetchInterval: 60_000,
    queryFn: async ({ signal }) => {
      const params = { code: `${TASK}|emergency-access`, status: "requested", _sort: "authored-on", _count: "50" };
      const { found } = await service.search<Task>("Task", params, signal);
      const ids = [...new Set(found.map((task) => task.for?.reference?.split("/")[1]).filter((id) => id !== undefined))];
      const people = ids.length === 0 ? [] : (await service.search<Patient>("Patient", { _id: ids.join(",") }, signal)).found;
      const tasks = found.filter(isEmergency);
      const actors = await namesOf(service, tasks.map((task) => task.requester).filter((one) => one !== undefined), signal);
      return { tasks, people: new Map(people.map((patient) => [patient.id, patient])), actors };
    },
  });
  return (
    <section className="stack">
      <h1>{t("emergencies.title")}</h1>
      <p className="hint">{t("emergencies.help")}</p>
      {waiting.isPending && <Loading rows={5} />}
      {waiting.isError && <FailureNotice cause={waiting.error} retry={() => void waiting.refetch()} />}
      {waiting.data?.tasks.length === 0 && <Nothing title={t("emergencies.none")} />}
      {(waiting.data?.tasks ?? []).map((task) => (
        <Waiting
          key={task.id}
          task={task}
          patient={waiting.data?.people.get(task.for?.reference?.split("/")[1] ?? "")}
          requester={waiting.data?.actors.get(task.requester?.reference ?? "")}
        />
      ))}
    </section>
  );
}

function Waiting({ task, patient, requester }: { task: Task; patient: Patient | undefined; requester: string | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  const patientId = task.for?.reference?.split("/")[1];
  const name = (patient && nameOf(patient)) ?? task.for?.display ?? t("patient.nameless");
  return (
    <article className="card waiting">
      <h2>
        {t("emergencies.line", { who: requester ?? task.requester?.display ?? task.requester?.reference ?? "–", patient: name })}
      </h2>
      <dl className="banner-facts">
        <div>
          <dt>{t("emergencies.at")}</dt>
          <dd>{task.authoredOn === undefined ? "–" : showMoment(texts, task.authoredOn)}</dd>
        </div>
        <div>
          <dt>{t("emergencies.reason")}</dt>
          <dd>{showReason(texts, task)}</dd>
        </div>
      </dl>
      <p>
        {patientId !== undefined && <Link href={`/patients/${patientId}?view=looked`}>{t("emergencies.trail")}</Link>}
      </p>
      <Judging task={task} list="emergencies" good={t("emergencies.justified")} bad={t("emergencies.unjustified")} />
    </article>
  );
}

/** The reason as it was written, else by its code. */
function showReason({ t, known }: Texts, task: Task): string {
  const { text, code } = reasonOf(task);
  return text ?? known("glass.reason", code) ?? code ?? t("emergencies.noReason");
}
