import { Runs, type Organization, type RunStep, type RunView, type Task } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts } from "../language";
import { StaleBanner, useLive } from "../live";
import { say } from "../runs/words";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { showMoment } from "../views/Readable";
import { told } from "./underWay";

const RUN = "https://qingshan.dev/fhir/CodeSystem/run";
/** How many of the runs that have ended are still told of. */
const ENDED = 3;

/** What is under way for one person, in plain words: what has happened, what comes next, whom to call. */
export function UnderWay({ patient }: { patient: string }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const key = ["mine", "runs", patient];
  const found = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const params = { patient, _tag: `${RUN}|root`, _sort: "-authored-on", _elements: "status" };
      const [open, ended] = await Promise.all([
        service.search<Task>("Task", { ...params, status: "in-progress", _count: "20" }, signal),
        service.search<Task>("Task", { ...params, "status:not": "in-progress", _count: String(ENDED) }, signal),
      ]);
      const runs = new Runs(service);
      const read = (tasks: readonly Task[]) => Promise.all(tasks.map((task) => runs.run(task.id ?? "", signal)));
      return { open: await read(open.found), ended: await read(ended.found) };
    },
  });
  const live = useLive(`Task?patient=${encodeURIComponent(patient)}`, () => void cache.invalidateQueries({ queryKey: key }));
  if (found.isPending) return <Loading rows={3} />;
  if (found.isError) return <FailureNotice cause={found.error} retry={() => void found.refetch()} />;
  const ended = found.data.ended.filter((run) => told(run, () => false).happened.length > 0);
  return (
    <section className="under-way" aria-label={t("underWay.title")}>
      <StaleBanner state={live.state} retry={live.retry} />
      <h3>{t("underWay.title")}</h3>
      {found.data.open.length === 0 && <p className="hint">{t("underWay.none")}</p>}
      {found.data.open.map((run) => (
        <OneRun key={run.id} run={run} patient={patient} />
      ))}
      {ended.length > 0 && (
        <details>
          <summary>{t("underWay.ended")}</summary>
          {ended.map((run) => (
            <OneRun key={run.id} run={run} patient={patient} />
          ))}
        </details>
      )}
    </section>
  );
}

function OneRun({ run, patient }: { run: RunView; patient: string }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const isPatients = (step: RunStep) => step.may || step.party?.reference === `Patient/${patient}`;
  const { happened, toDo, waiting, ahead, by, contact } = told(run, isPatients);
  const [latest, ...before] = happened;
  const [waits] = waiting;
  const who = waits && (waits.party?.display ?? run.names?.[waits.party?.reference ?? ""] ?? say(locale, waits.role?.title));
  const [next] = ahead;
  return (
    <article className="under-way-run">
      <h4>{say(locale, run.protocol.title)}</h4>
      {latest !== undefined && (
        <p className="under-way-now">
          {say(locale, latest.words)}
          <time className="what line-note">{showMoment(texts, latest.at)}</time>
        </p>
      )}
      {toDo.map((step) => (
        <p key={`${step.code} ${step.n}`} className="under-way-you">
          <span>
            <strong>{t("underWay.you")}</strong> {say(locale, step.title)}
          </span>
          {step.task !== undefined && (
            <Link className="button-link is-main" href={`/tasks/${encodeURIComponent(step.task)}`}>
              {t("underWay.done")}
            </Link>
          )}
        </p>
      ))}
      {run.end === undefined && (next !== undefined || who) && (
        <dl className="under-way-next">
          <dt>{t("underWay.next")}</dt>
          <dd>
            {next !== undefined && <span className="under-way-ahead">{say(locale, next)}</span>}
            {who && toDo.length === 0 && <span className="line-note">{t("underWay.waiting", { who })}</span>}
            {by !== undefined && toDo.length === 0 && <span className="line-note">{t("underWay.by", { at: showMoment(texts, by) })}</span>}
          </dd>
        </dl>
      )}
      {contact !== undefined && run.end === undefined && <Contact reference={contact.reference} display={contact.display} />}
      {before.length > 0 && (
        <details>
          <summary>{t("underWay.steps")}</summary>
          <ol className="under-way-steps">
            {before.map((one) => (
              <li key={`${one.at} ${say(locale, one.words)}`}>
                <time className="what">{showMoment(texts, one.at)}</time> {say(locale, one.words)}
              </li>
            ))}
          </ol>
        </details>
      )}
    </article>
  );
}

/** Whom to call, with one press on a telephone. */
function Contact({ reference, display }: { reference: string; display: string | undefined }) {
  const { t } = useTexts();
  const service = useService();
  const [, id = ""] = reference.split("/");
  const organization = useQuery({
    queryKey: ["contact", id],
    staleTime: 600_000,
    queryFn: ({ signal }) => service.read<Organization>("Organization", id, signal),
  });
  const name = organization.data?.name ?? display;
  const phone = organization.data?.telecom?.find((point) => point.system === "phone")?.value;
  if (name === undefined) return null;
  return (
    <p className="under-way-call">
      {phone === undefined ? (
        t("underWay.noPhone", { who: name })
      ) : (
        <>
          <span className="what">{t("underWay.call")}</span>
          <a className="button-link" href={`tel:${phone.replace(/[^+\d]/g, "")}`}>
            {name} {phone}
          </a>
        </>
      )}
    </p>
  );
}
