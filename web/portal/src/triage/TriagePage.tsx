import type { Encounter, Patient, Protocol, Reference } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { useState } from "react";
import { Link } from "wouter";
import { markOf, openClocks, type Case } from "../board/board";
import { useBoardProtocols, useCases } from "../board/reading";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { LiveMark, StaleBanner, useNow } from "../live";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { newId } from "../patients/vitals";
import { PatientField } from "../protocols/StartRun";
import { missingRoles, ownRole, startsFor } from "../protocols/start";
import { mostUrgent } from "../runs/clock";
import { ClockMark } from "../runs/ClockMark";
import { OpenSteps } from "../runs/OpenSteps";
import { useRuns } from "../runs/reading";
import { say, showLength } from "../runs/words";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { Announced, Said, Words, type Expected } from "./Announced";
import { Grading, Level } from "./Grading";
import { atDoor, cameAt, gradeOf, gradingOf, isHere, isTriage, queued } from "./triage";
import "../runs/runs.css";
import "../protocols/protocols.css";
import "./triage.css";

/** The desk at the door: who has come, how urgent they are, and who waits too long. */
export default function TriagePage() {
  const { t } = useTexts();
  const protocols = useBoardProtocols(isTriage);
  if (protocols.data === undefined) {
    return protocols.isError ? <FailureNotice cause={protocols.error} retry={() => void protocols.refetch()} /> : <Loading rows={8} />;
  }
  if (protocols.data.length === 0) return <Nothing title={t("triage.missing")} help={t("triage.missing.help")} />;
  return <Desk protocols={protocols.data} />;
}

function Desk({ protocols }: { protocols: readonly Protocol[] }) {
  const { t } = useTexts();
  const { cases, isWhole, cause, behind, live } = useCases(protocols);
  const now = useNow(5_000) + behind;
  const [shown, setShown] = useState<string>();
  const [isNew, setIsNew] = useState(false);
  const [expected, setExpected] = useState<Expected>();
  const hospital = postOf(useSession())?.organization;
  const known = new Map(protocols.map((one) => [one.code, one]));
  const protocolOf = (code: string) => known.get(code);
  const queue = queued(cases.filter((one) => isHere(one, protocolOf)), protocolOf, now);
  // Who was just taken in is known by name before the run that begins for them is.
  const current = cases.find(({ runs }) => runs.some(({ id, patient }) => id === shown || patient?.reference === shown));
  const open = (id: string | undefined) => {
    setShown(id);
    setIsNew(false);
    setExpected(undefined);
  };
  return (
    <section className="triage" aria-label={t("triage.title")}>
      <StaleBanner state={live.state} retry={live.retry} />
      <div className="triage-queue">
        <header>
          <h1>{t("triage.title")}</h1>
          <LiveMark state={live.state} />
          <Button
            type="primary"
            size="large"
            onClick={() => {
              setExpected(undefined);
              setIsNew(true);
            }}
          >
            {t("triage.new")}
          </Button>
        </header>
        {hospital !== undefined && (
          <Announced
            hospital={hospital}
            now={now}
            onArrived={(one) => {
              setExpected(one);
              setIsNew(true);
            }}
          />
        )}
        {cause !== undefined && !isWhole && <FailureNotice cause={cause} />}
        {!isWhole && cause === undefined && <Loading rows={6} />}
        {isWhole && queue.length === 0 && <Nothing title={t("triage.empty")} />}
        <ol>
          {queue.map((one) => (
            <Waiting
              key={one.chain}
              one={one}
              level={gradeOf(one, protocolOf)}
              grading={gradingOf(one, protocolOf)}
              now={now}
              isShown={one === current && !isNew}
              isStale={live.state.kind !== "live"}
              onOpen={() => open(one.runs[0]?.id)}
            />
          ))}
        </ol>
      </div>
      <div className="triage-desk">
        {isNew ? (
          <Arrival key={expected?.one.id ?? "new"} protocols={protocols} expected={expected} onBegun={open} onClose={() => setIsNew(false)} />
        ) : current === undefined ? (
          <p className="triage-hint">{t("triage.hint")}</p>
        ) : (
          <Graded key={current.chain} one={current} now={now} protocolOf={protocolOf} />
        )}
      </div>
    </section>
  );
}

function Waiting(props: {
  one: Case;
  level: number | undefined;
  grading: { isAgain: boolean } | undefined;
  now: number;
  isShown: boolean;
  isStale: boolean;
  onOpen(): void;
}) {
  const { one, level, grading, now, isShown, isStale, onOpen } = props;
  const texts = useTexts();
  const { t } = texts;
  const clock = mostUrgent(openClocks(one.runs));
  return (
    <li className={isStale ? "is-stale" : ""}>
      <button type="button" aria-current={isShown ? "true" : undefined} onClick={onOpen}>
        <Level level={level} />
        <span className="triage-who">
          <Who patient={one.patient} otherwise={one.runs[0]?.patient?.display} />
          <span className="what">{t("triage.since", { length: showLength(texts, now - cameAt(one)) })}</span>
        </span>
        <span className="triage-clock">
          {grading !== undefined && <span className={grading.isAgain ? "tag tag-grave" : "tag tag-care"}>{t(grading.isAgain ? "triage.again" : "triage.first")}</span>}
          {clock !== undefined && <ClockMark clock={clock} now={now} />}
        </span>
      </button>
    </li>
  );
}

function Who({ patient, otherwise }: { patient: Patient | undefined; otherwise: string | undefined }) {
  const { t } = useTexts();
  const name = patient && nameOf(patient);
  return (
    <strong>
      {name ?? otherwise ?? t("patient.nameless")} {patient !== undefined && <SexAndAge patient={patient} />}
    </strong>
  );
}

function SexAndAge({ patient }: { patient: Patient }) {
  const { sexAndAge } = useShown(patient);
  return <span className="what">{sexAndAge}</span>;
}

function Graded({ one, now, protocolOf }: { one: Case; now: number; protocolOf(code: string): Protocol | undefined }) {
  const { t, locale } = useTexts();
  const grading = gradingOf(one, protocolOf);
  const run = one.runs.find(({ steps }) => grading !== undefined && steps.includes(grading.step)) ?? one.runs[0];
  if (run === undefined) return null;
  return (
    <>
      <header className="triage-of">
        <Level level={gradeOf(one, protocolOf)} />
        <h2>
          <Who patient={one.patient} otherwise={run.patient?.display} />
        </h2>
        <Link href={`/runs/${encodeURIComponent(run.id)}`}>{t("triage.case")}</Link>
      </header>
      {run.patient !== undefined && <Said patient={run.patient.reference.replace("Patient/", "")} />}
      {grading === undefined ? (
        <p className="triage-hint">{t("triage.graded", { level: run.class === undefined ? "–" : say(locale, run.class.title) })}</p>
      ) : grading.step.may ? (
        <>
          {grading.isAgain && <p className="note note-warning">{t("triage.again.help")}</p>}
          <Grading key={`${grading.step.code} ${grading.step.n}`} run={run} step={grading.step} onDone={() => undefined} />
        </>
      ) : (
        <p className="triage-hint">{t("task.notYours")}</p>
      )}
      <OpenSteps run={run} now={now} without={grading === undefined ? [] : [grading.step.code]} />
    </>
  );
}

/** Somebody comes to the door: found among those who are known, or nobody knows who it is. */
function Arrival({ protocols, expected, onBegun, onClose }: {
  protocols: readonly Protocol[];
  /** Who stands there by their own announcement. */
  expected: Expected | undefined;
  /** Told the run that began, or the patient for whom one begins. */
  onBegun(shown: string): void;
  onClose(): void;
}) {
  const { t, locale } = useTexts();
  const service = useService();
  const runs = useRuns();
  const post = postOf(useSession());
  const duties = post?.duties ?? [];
  const cache = useQueryClient();
  const [patient, setPatient] = useState<Patient | undefined>(expected?.patient);
  // Chosen once for this window, so that whatever is sent twice is there once.
  const [ids] = useState(() => ({ run: newId(), patient: newId(), visit: newId() }));
  const ways = atDoor(protocols).flatMap((protocol) => startsFor(protocol, duties).flatMap((start) => (start.form === undefined ? [{ protocol, start }] : [])));
  const begin = useMutation({
    mutationFn: async ({ protocol, start, who }: (typeof ways)[number] & { who: Patient | undefined }) => {
      const person = who ?? (await service.createOnce<Patient & { id: string }>({ resourceType: "Patient", id: ids.patient, active: true, name: [{ use: "anonymous", text: `${t("board.unidentified")} ${markOf(ids.run)}` }], gender: "unknown" }));
      const own = `Organization/${post?.organization ?? ""}`;
      const subject = { reference: `Patient/${person.id ?? ""}` };
      const visit = protocol.focus === "Encounter" ? await service.createOnce(visitOf(ids.visit, subject, own)) : undefined;
      // Where registration begins the run by itself, a second one is not begun by hand.
      if (visit !== undefined && protocol.start?.some(({ by }) => by === "event") === true) return subject.reference;
      const roles = protocol.role ?? [];
      const mine = ownRole(roles, duties);
      const bound: Record<string, string> = mine === undefined ? {} : { [mine.code]: own };
      for (const code of missingRoles(roles, bound, visit !== undefined)) bound[code] = own;
      const run = await runs.start({
        id: ids.run,
        protocol: protocol.code,
        ...(start.code !== undefined && { start: start.code }),
        patient: subject.reference,
        ...(visit !== undefined && { focus: `Encounter/${visit.id ?? ""}` }),
        ...(start.class !== undefined && { class: start.class }),
        roles: bound,
      });
      return run.id;
    },
    onSuccess: (shown) => {
      // Whether it is noted that they came does not matter to who is here: if not, the desk is asked again.
      const noted = expected === undefined ? undefined : service.update({ ...expected.one, status: "completed" });
      void noted?.catch(() => undefined).then(() => cache.invalidateQueries({ queryKey: ["triage", "announced"] }));
      onBegun(shown);
    },
  });
  return (
    <div className="card triage-arrival">
      <h2>{t("triage.new")}</h2>
      {expected !== undefined && (
        <>
          <Words one={expected.one} />
          <p className="hint">{t("announced.check")}</p>
        </>
      )}
      <PatientField given={undefined} patient={patient} onChoose={setPatient} error={undefined} />
      <p>
        <Link href="/patients/new">{t("nav.register")}</Link>
      </p>
      {ways.length === 0 && <p className="hint">{t("triage.noStart")}</p>}
      {begin.isError && <FailureNotice cause={begin.error} unsaved={t("start.unsaved")} />}
      <div className="triage-ways">
        {ways.map((way) => (
          <span key={`${way.protocol.code} ${way.start.code ?? ""}`}>
            <Working type="primary" disabled={patient === undefined} busy={begin.isPending ? t("state.saving") : undefined} onClick={() => begin.mutate({ ...way, who: patient })}>
              {say(locale, way.start.title ?? way.protocol.title)}
            </Working>
            <Working disabled={patient !== undefined} busy={begin.isPending ? t("state.saving") : undefined} onClick={() => begin.mutate({ ...way, who: undefined })}>
              {t("triage.nobody", { way: say(locale, way.start.title ?? way.protocol.title) })}
            </Working>
          </span>
        ))}
        <Button size="large" onClick={onClose}>
          {t("ambulance.cancel")}
        </Button>
      </div>
    </div>
  );
}

/** The visit of somebody who has come to the door. */
function visitOf(id: string, subject: Reference, provider: string): Encounter & { id: string } {
  return {
    resourceType: "Encounter",
    id,
    status: "arrived",
    class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "EMER" },
    subject,
    period: { start: new Date().toISOString() },
    serviceProvider: { reference: provider },
  } as Encounter & { id: string };
}
