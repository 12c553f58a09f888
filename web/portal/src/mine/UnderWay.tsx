import { Runs, type Organization, type Resource, type RunStep, type RunView, type Service, type Task, type When } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { StaleBanner, useLive } from "../live";
import { wholeName } from "../organizations";
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
      const [going, over] = await Promise.all([read(open.found), read(ended.found)]);
      const booked = await Promise.all(going.map(async (run) => [run.id, await bookedFor(service, run, signal)] as const));
      return { open: going, ended: over, booked: new Map(booked) };
    },
  });
  const live = useLive(`Task?patient=${encodeURIComponent(patient)}`, () => void cache.invalidateQueries({ queryKey: key }));
  if (found.isPending) return <Loading rows={3} />;
  if (found.isError && found.data === undefined) return <FailureNotice cause={found.error} retry={() => void found.refetch()} />;
  const ended = found.data.ended.filter((run) => told(run, () => false).happened.length > 0);
  return (
    <section className="under-way" aria-label={t("underWay.title")}>
      <StaleBanner state={live.state} retry={live.retry} />
      <h3>{t("underWay.title")}</h3>
      {found.data.open.length === 0 && <p className="hint">{t("underWay.none")}</p>}
      {found.data.open.map((run) => (
        <OneRun key={run.id} run={run} patient={patient} booked={found.data.booked.get(run.id)} />
      ))}
      {ended.length > 0 && (
        <details>
          <summary>{t("underWay.ended")}</summary>
          {ended.map((run) => (
            <OneRun key={run.id} run={run} patient={patient} booked={undefined} />
          ))}
        </details>
      )}
    </section>
  );
}

/** When somebody is to come, and what they should know before. */
interface Booked extends Resource {
  start?: When;
  end?: When;
  patientInstruction?: string;
}

/** The place that is kept for what a run is about; nothing while there is none, or it may not be seen. */
async function bookedFor(service: Service, { focus }: RunView, signal: AbortSignal): Promise<Booked | undefined> {
  if (focus === undefined) return undefined;
  const asked = { "based-on": focus, status: "booked", _count: "1" };
  const page = await service.search<Booked>("Appointment", asked, signal).catch(() => undefined);
  return page?.found[0];
}

function OneRun({ run, patient, booked }: { run: RunView; patient: string; booked: Booked | undefined }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const isPatients = (step: RunStep) => step.may || step.party?.reference === `Patient/${patient}`;
  const { happened, toDo, waiting, ahead, by, contact } = told(run, isPatients);
  const [latest, ...before] = happened;
  const [waits] = waiting;
  const who = waits && (waits.party?.display ?? run.names?.[waits.party?.reference ?? ""] ?? say(locale, waits.role?.title));
  const [next] = ahead;
  const mustDo = toDo.some((step) => step.optional !== true);
  return (
    <article className="under-way-run">
      <h4>{say(locale, run.protocol.title)}</h4>
      {latest !== undefined && (
        <p className="under-way-now">
          {say(locale, latest.words)}
          <time className="what line-note">{showMoment(texts, latest.at)}</time>
        </p>
      )}
      {booked?.start !== undefined && (
        <dl className="under-way-booked">
          <dt>{t("underWay.when")}</dt>
          <dd>
            <strong>{spanOf(texts, booked.start, booked.end)}</strong>
          </dd>
          {booked.patientInstruction !== undefined && (
            <>
              <dt>{t("underWay.mind")}</dt>
              <dd>{booked.patientInstruction}</dd>
            </>
          )}
        </dl>
      )}
      {toDo.map((step) => (
        <p key={`${step.code} ${step.n}`} className={step.optional === true ? "under-way-you is-optional" : "under-way-you"}>
          <span>
            {step.optional !== true && <strong>{t("underWay.you")}</strong>} {say(locale, step.title)}
          </span>
          {step.task !== undefined && (
            <Link className={step.optional === true ? "button-link" : "button-link is-main"} href={`/tasks/${encodeURIComponent(step.task)}`}>
              {t("underWay.done")}
            </Link>
          )}
        </p>
      ))}
      {run.end === undefined && (next !== undefined || who) && (
        <dl className="under-way-next">
          <dt>{t("underWay.next")}</dt>
          <dd>
            {next !== undefined && <span>{say(locale, next)}</span>}
            {who && !mustDo && <span className="line-note">{t("underWay.waiting", { who })}</span>}
            {by !== undefined && !mustDo && <span className="line-note">{t("underWay.by", { at: showMoment(texts, by) })}</span>}
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

/** From when until when, with the day once where it is one day. */
function spanOf(texts: Texts, start: When, end: When | undefined): string {
  const from = showMoment(texts, start);
  if (end === undefined) return from;
  const until = showMoment(texts, end);
  const [day = "", time = ""] = until.split(" ");
  return from.startsWith(day) ? `${from}–${time}` : `${from} – ${until}`;
}

/** Who looks after it now, to be called with one press on a telephone. */
function Contact({ reference, display }: { reference: string; display: string | undefined }) {
  const { t } = useTexts();
  const service = useService();
  const [, id = ""] = reference.split("/");
  const contact = useQuery({
    queryKey: ["contact", id],
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const one = await service.read<Organization>("Organization", id, signal);
      const [, above] = one.partOf?.reference?.split("/") ?? [];
      const house = above === undefined ? undefined : await service.read<Organization>("Organization", above, signal).catch(() => undefined);
      const phone = [one, house].flatMap((some) => some?.telecom ?? []).find((point) => point.system === "phone")?.value;
      return { name: wholeName(one, new Map([[above ?? "", house?.name ?? ""]])), phone };
    },
  });
  const name = contact.data?.name ?? display;
  if (name === undefined) return null;
  const phone = contact.data?.phone;
  return (
    <p className="under-way-call">
      <span>{t("underWay.owner", { who: name })}</span>
      {phone !== undefined && (
        <a className="button-link" href={`tel:${phone.replace(/[^+\d]/g, "")}`}>
          {t("underWay.call", { phone })}
        </a>
      )}
    </p>
  );
}
