import type { Patient } from "@qingshan/client";
import { useQueryClient } from "@tanstack/react-query";
import { Button, Drawer } from "antd";
import { Suspense, useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { hasDuty, isLay } from "../duties";
import { useTexts, type Key } from "../language";
import { LiveMark, StaleBanner, useLive, useNow } from "../live";
import { part } from "../part";
import { hatOf, useService, useSession } from "../session";
import { FailureNotice, Loading, within } from "../states";
import { Banner } from "./Banner";
import { nameOf } from "./person";
import { about, useGlance, useIds, usePatient, type Glance } from "./reading";
import { recent, remember } from "./recent";
import { ClosedRecord } from "./Relation";
import { useRelations } from "./relation";
import { RecordVital } from "./RecordVital";
import { showAgo, showGroup, showSpan, useShown } from "./show";
import { useOtherTabs } from "./tabs";
import { rank, type Entry, type Value } from "./timeline";
import { Timeline } from "./Timeline";
import "./patients.css";

const Tables = part(() => import("../views/Tables"));
const RunsOf = part(() => import("../runs/RunsOf"));
const Suggestions = part(async () => ({ default: (await import("../suggestions/Suggestions")).Suggestions }));
const WhoLooked = part(() => import("./WhoLooked"));

/** What is shown of a record below the banner, and the name of each. */
const VIEWS = { timeline: "view.timeline", tables: "view.tables", looked: "view.looked" } as const satisfies Record<string, Key>;
type View = keyof typeof VIEWS;

/** What a change to the person's record makes stale. */
const PARTS = ["glance", "timeline", "tables", "relation", "runs", "suggestions"];

/** Everything about one person, kept current while it is shown. */
export default function PatientPage({ id }: { id: string }) {
  const { t } = useTexts();
  const service = useService();
  const session = useSession();
  const cache = useQueryClient();
  const [isRecording, setIsRecording] = useState(false);
  // Each time the form is opened it is another one, also when it was still closing: it must not go on where the last ended.
  const [opened, setOpened] = useState(0);
  const [address] = useSearchParams();
  const view = ((address.get("view") ?? "") in VIEWS ? address.get("view") : "timeline") as View;
  const patient = usePatient(service, id);
  const relations = useRelations(service, id);
  const ids = useIds(service, id);
  const glance = useGlance(service, id, ids.data);
  const live = useLive(`Patient/${id}`, (change) => {
    const isSelf = change?.type === "Patient";
    const stale = change === undefined ? about(id) : isSelf ? [...about(id), "self"] : undefined;
    if (stale !== undefined) void cache.invalidateQueries({ queryKey: stale });
    if (change !== undefined && !isSelf) {
      for (const part of PARTS) void cache.invalidateQueries({ queryKey: [...about(id), part] });
    }
  });
  const name = patient.data && (nameOf(patient.data) ?? t("patient.nameless"));
  const others = useOtherTabs(id, name);
  const hat = hatOf(session);
  const isKnown = patient.data !== undefined;
  useEffect(() => {
    if (isKnown && recent(hat)[0] !== id) remember(hat, id);
  }, [isKnown, hat, id]);
  useTitle(name);

  if (patient.data === undefined || name === undefined) {
    return (
      <>
        <StaleBanner state={live.state} retry={live.retry} />
        {patient.isError ? (
          <FailureNotice cause={patient.error} retry={() => void patient.refetch()} />
        ) : (
          <Loading rows={6} />
        )}
      </>
    );
  }
  const isClosed = relations.data?.isClosed === true;
  const record = () => {
    setOpened(opened + 1);
    setIsRecording(true);
  };
  const mayRecord = hasDuty(session, "doctor", "nurse", "family-doctor", "village-doctor", "public-health", "paramedic");
  const shownIds = ids.data ?? [id];
  const seesWhoLooked = isLay(session) || hasDuty(session, "privacy-officer", "data-officer", "security-admin");
  const views = (Object.keys(VIEWS) as View[]).filter((one) => (one === "looked" ? seesWhoLooked : !isClosed));
  return (
    <>
      <div className="sticky">
        <StaleBanner state={live.state} retry={live.retry} />
        <Banner
          patient={patient.data}
          glance={glance.data}
          relations={relations.isError ? null : relations.data}
          others={others}
          isClosed={isClosed}
        />
      </div>
      <WhoBar name={name} patient={patient.data} />
      <div className="page-tools">
        <nav className="views" aria-label={t("view.label")}>
          {views.map((one) => (
            <Link
              key={one}
              href={one === "timeline" ? `/patients/${encodeURIComponent(id)}` : `/patients/${encodeURIComponent(id)}?view=${one}`}
              aria-current={one === view ? "page" : undefined}
            >
              {t(VIEWS[one])}
            </Link>
          ))}
        </nav>
        {mayRecord && !isClosed && (
          <Button type="primary" size="large" className="record" onClick={record}>
            {t("vitals.title")}
          </Button>
        )}
      </div>
      {view === "looked" ? (
        <Suspense fallback={<Loading />}>
          <WhoLooked id={id} />
        </Suspense>
      ) : isClosed && relations.data ? (
        <ClosedRecord id={id} name={name} relations={relations.data} />
      ) : (
        <>
          {view === "timeline" && !isLay(session) && ids.data !== undefined && (
            <Suspense fallback={null}>
              <Suggestions patient={id} />
              <RunsOf id={id} ids={shownIds} />
            </Suspense>
          )}
          {view === "timeline" && <Latest glance={glance.data} />}
          {ids.isPending ? (
            <Loading rows={8} />
          ) : view === "tables" ? (
            <Suspense fallback={<Loading />}>
              <Tables id={id} ids={shownIds} />
            </Suspense>
          ) : (
            <Timeline id={id} ids={shownIds} name={name} mark={<LiveMark state={live.state} />} />
          )}
        </>
      )}
      <Drawer
        open={isRecording}
        onClose={() => setIsRecording(false)}
        title={t("vitals.title")}
        size={440}
        {...within}
        destroyOnHidden
        closable={{ "aria-label": t("vitals.close") }}
        rootClassName="recording"
      >
        <RecordVital
          key={opened}
          patient={id}
          name={name}
          person={patient.data}
          onDone={() => {
            setIsRecording(false);
            for (const part of PARTS) void cache.invalidateQueries({ queryKey: [...about(id), part] });
          }}
        />
      </Drawer>
    </>
  );
}

/** Who this is in one line, at the top of a small screen from where the banner has been scrolled away. */
function WhoBar({ name, patient }: { name: string; patient: Patient }) {
  const { sexAndAge } = useShown(patient);
  const edge = useRef<HTMLSpanElement>(null);
  const [isPast, setIsPast] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => setIsPast(entry !== undefined && entry.boundingClientRect.top < 0));
    if (edge.current !== null) watch.observe(edge.current);
    return () => watch.disconnect();
  }, []);
  return (
    <>
      <span ref={edge} />
      {isPast && (
        <p className="who-bar" aria-hidden>
          {name} · {sexAndAge}
        </p>
      )}
    </>
  );
}

/** Names the tab for the person in it, so that two people in two tabs are told apart before either is opened. */
function useTitle(name: string | undefined): void {
  const { t } = useTexts();
  useEffect(() => {
    if (name === undefined) return;
    document.title = `${name} · ${t("brand")}`;
    return () => {
      document.title = t("brand.title");
    };
  }, [name, t]);
}

function Latest({ glance }: { glance: Glance | undefined }) {
  const { t } = useTexts();
  return (
    <dl className="latest" aria-label={t("latest.title")}>
      <LatestValue name={t("vitals.bloodPressure")} entry={glance?.bloodPressure} isLoading={glance === undefined} />
      <LatestValue name={t("vitals.temperature")} entry={glance?.temperature} isLoading={glance === undefined} />
    </dl>
  );
}

function LatestValue({ name, entry, isLoading }: { name: string; entry: Entry | undefined; isLoading: boolean }) {
  const texts = useTexts();
  const { t } = texts;
  const now = useNow(30_000);
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {entry === undefined ? (
          <span className="what">{isLoading ? t("state.loading") : t("latest.none")}</span>
        ) : (
          <>
            {entry.values.map((value, place) => (
              <LatestLine key={place} value={value} />
            ))}
            <span className="what latest-when">
              <span>
                {showGroup(texts, entry)} {showSpan(texts, entry)}
              </span>
              <strong>{showAgo(texts, rank(entry), now)}</strong>
            </span>
          </>
        )}
      </dd>
    </div>
  );
}

function LatestLine({ value }: { value: Value }) {
  const { known } = useTexts();
  const flag = known("flag", value.flag);
  return (
    <span className="latest-value">
      <strong>{value.text}</strong> {value.unit}
      {flag !== undefined && <span className="tag tag-grave">{flag}</span>}
    </span>
  );
}
