import type { RunView } from "@qingshan/client";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { markOf } from "../board/board";
import { timeAt } from "../calendar";
import { useTexts } from "../language";
import { useLive, useNow } from "../live";
import { newId } from "../patients/vitals";
import { aboutRun, useMessages, useRun } from "../runs/reading";
import { nameOf } from "../runs/RunPage";
import { codingIn, say } from "../runs/words";
import { useSession } from "../session";
import { encoded, KINDS, LARGEST } from "../ecg/file";
import { done, expect, measurement, photograph, positioned, pressure, reckonedAgain, refused, retried, scored, tracing, unsent, write, type Drive } from "./drive";
import { here } from "./here";
import { BREATHING, DIASTOLIC, measures, SYSTOLIC } from "./measures";
import { Pad } from "./Pad";
import { shrunk } from "./photo";
import { Scores } from "./Scores";
import { GCS, RTS, rtsItems, totalOf, type Score } from "./scores";
import { stagesOf, type Stage } from "./stages";
import { Arrival } from "./Arrival";

/** How often it is told where the vehicle is, in milliseconds: at least every thirty seconds (院前预警). */
const PLACED = 25_000;

/** One patient on the way: how far the warning has come, what was found, and when they arrive. */
export function DriveView({ drive, change, onOver }: { drive: Drive; change(act: (drive: Drive) => Drive): Promise<void>; onOver(): void }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const now = useNow(5_000);
  const [pad, setPad] = useState<(typeof measures)[number]>();
  const [isUnkept, setIsUnkept] = useState(false);
  const bad = refused(drive);
  // Without these nobody has been warned.
  const isLost = bad.some(({ kind }) => kind === "patient" || kind === "visit" || kind === "run");
  const begun = drive.letters.find(({ kind }) => kind === "run")?.sent;
  // What is not on the device is not taken for done: somebody is told to write it down otherwise.
  const keep = (act: (drive: Drive) => Drive) => change(act).then(() => setIsUnkept(false), () => setIsUnkept(true));
  const taken = () => ({ id: newId(), at: new Date().toISOString() });

  const measured = (values: number[]) => {
    if (pad === undefined) return;
    const mark = taken();
    const [first = Number.NaN, second] = values;
    const resource = second === undefined ? measurement(pad.measure, first, mark) : pressure(first, second, mark);
    setPad(undefined);
    void keep((old) => {
      const values = { ...old.values, [pad.measure.code]: { value: first, at: mark.at }, ...(second !== undefined && { [DIASTOLIC.code]: { value: second, at: mark.at } }) };
      return withTrauma({ ...write(old, resource, mark.at), values }, old, taken());
    });
  };
  const answered = (score: Score, code: string, points: number) => {
    const mark = taken();
    void keep((old) => {
      const items = { ...old.items, [code]: points };
      const total = totalOf(score, items);
      const next = { ...old, items };
      const sent = total === undefined ? next : write(next, scored(score, items, total, mark), mark.at);
      return score === GCS ? withTrauma(sent, old, taken()) : sent;
    });
  };
  // Where the vehicle is is told as long as somebody is under way in it. A device that does not tell where it is tells nothing.
  const place = useRef<() => void>(undefined);
  place.current = () => {
    void here(PLACED / 2).then((position) => position && keep((old) => (old.isOver === true ? old : positioned(old, position, taken()))));
  };
  useEffect(() => {
    place.current?.();
    const timer = setInterval(() => place.current?.(), PLACED);
    return () => clearInterval(timer);
  }, []);
  const arriving = (minutes: number) => {
    const mark = taken();
    const eta = new Date(Date.now() + minutes * 60_000).toISOString();
    const words = t("ambulance.eta.changed");
    void here().then((position) => keep((old) => expect(old, eta, position, words, mark)));
  };
  return (
    <div className="ambulance-drive">
      <aside className="ambulance-side">
        <h1>
          {drive.suspected === undefined ? say(locale, drive.title) : codingIn(locale, drive.suspected)}
          {drive.isDrill && <span className="board-drill">{t("board.drill")}</span>}
        </h1>
        <p className="ambulance-of">
          <strong>{markOf(drive.id)}</strong> · {[t(`sex.${drive.sex}`), drive.age === undefined ? t("age.unknown") : t("age.year", { count: drive.age })].join(" · ")} → {drive.destination.display}
        </p>
        {begun === undefined ? <Stages stages={stagesOf(undefined, undefined, undefined)} isRefused={isLost} /> : <Followed drive={drive} begun={begun} onDone={(step) => void keep((old) => done(old, step, taken()))} />}
        {isUnkept && (
          <p className="ambulance-refused" role="alert">
            {t("ambulance.unkept")}
          </p>
        )}
        {bad.length > 0 && (
          <div className="ambulance-refused" role="alert">
            <p>{t(isLost ? "ambulance.refused.warning" : "ambulance.refused.some")}</p>
            <p className="ambulance-why">{bad[0]?.refused}</p>
            <button type="button" className="ambulance-key" onClick={() => void keep(retried)}>
              {t("ambulance.again")}
            </button>
          </div>
        )}
        <Arrival drive={drive} now={now} onMinutes={arriving} onLift={() => void keep((old) => reckonedAgain(old, taken()))} />
        <div className="ambulance-files">
          <Photo onPhoto={(data) => {
            const mark = taken();
            void keep((old) => write(old, photograph(data, mark), mark.at));
          }} count={drive.letters.filter((letter) => letter.kind === "finding" && letter.resource.resourceType === "Media").length} />
          <Electrocardiogram
            onFile={(file) => {
              const mark = taken();
              void keep((old) => tracing(old, file, mark));
            }}
            count={drive.letters.filter(({ kind }) => kind === "ecg").length}
          />
        </div>
        <Over isWaiting={unsent(drive).length > 0} onOver={() => void keep((old) => ({ ...old, isOver: true })).then(onOver)} />
      </aside>
      <section className="ambulance-vitals" aria-label={t("ambulance.vitals")}>
        {measures.map((one) => {
          const last = drive.values[one.measure.code];
          const lower = one.name === "pressure" ? drive.values[DIASTOLIC.code] : undefined;
          return (
            <button key={one.name} type="button" className="ambulance-vital" onClick={() => setPad(one)}>
              <span>{t(`ambulance.vital.${one.name}`)}</span>
              <strong>{last === undefined ? "–" : lower === undefined ? last.value : `${last.value}/${lower.value}`}</strong>
              <span>
                {one.measure.shown}
                {last !== undefined && ` · ${timeAt(Date.parse(last.at)).slice(0, 5)}`}
              </span>
            </button>
          );
        })}
      </section>
      <Scores items={drive.items} systolic={drive.values[SYSTOLIC.code]?.value} breathing={drive.values[BREATHING.code]?.value} onItem={answered} />
      {pad !== undefined && (
        <Pad
          title={t(`ambulance.vital.${pad.name}`)}
          fields={
            pad.name === "pressure"
              ? [
                  { label: t("vitals.systolic"), measure: SYSTOLIC },
                  { label: t("vitals.diastolic"), measure: DIASTOLIC },
                ]
              : [{ label: t(`ambulance.vital.${pad.name}`), measure: pad.measure }]
          }
          onDone={measured}
          onClose={() => setPad(undefined)}
        />
      )}
    </div>
  );
}

const traumaOf = ({ items, values }: Drive) =>
  rtsItems({ gcs: totalOf(GCS, items), systolic: values[SYSTOLIC.code]?.value, breathing: values[BREATHING.code]?.value });

/** Writes the trauma score besides, when what it is made of is all there and has changed. */
function withTrauma(next: Drive, before: Drive, mark: { id: string; at: string }): Drive {
  const items = traumaOf(next);
  const total = totalOf(RTS, items);
  if (total === undefined || total === totalOf(RTS, traumaOf(before))) return next;
  return write(next, scored(RTS, items, total, mark), mark.at);
}

/** How far a warning that the record has received has come, as it changes, and what the crew can do with one touch. */
function Followed({ drive, begun, onDone }: { drive: Drive; begun: string; onDone(step: string): void }) {
  const cache = useQueryClient();
  const view = useRun(drive.id);
  useLive(`Task/${drive.id}`, () => void cache.invalidateQueries({ queryKey: aboutRun(drive.id) }));
  if (view.data === undefined) return <Stages stages={stagesOf(begun, undefined, undefined)} isRefused={false} />;
  return <Answered run={view.data.run} drive={drive} begun={begun} onDone={onDone} />;
}

function Answered({ run, drive, begun, onDone }: { run: RunView; drive: Drive; begun: string; onDone(step: string): void }) {
  const { locale } = useTexts();
  const session = useSession();
  const messages = useMessages(run);
  const own = [`PractitionerRole/${session.post ?? ""}`, `Practitioner/${session.practitioner ?? ""}`];
  const waiting = new Set(unsent(drive).flatMap((letter) => (letter.kind === "act" ? [letter.step] : [])));
  const touches = run.steps.filter(
    ({ state, may, form, outcomes, acknowledgements = 0, code }) =>
      (state === "ready" || state === "taken") && may && form === undefined && outcomes.length === 0 && acknowledgements === 0 && !waiting.has(code),
  );
  return (
    <>
      <Stages stages={stagesOf(begun, run, messages.data, (reference) => own.includes(reference))} isRefused={false} run={run} />
      {touches.slice(0, 2).map((step) => (
        <button key={step.code} type="button" className="ambulance-key" onClick={() => onDone(step.code)}>
          {say(locale, step.title)}
        </button>
      ))}
    </>
  );
}

function Stages({ stages, isRefused, run }: { stages: readonly Stage[]; isRefused: boolean; run?: RunView }) {
  const { t, locale } = useTexts();
  return (
    <ol className="ambulance-stages" aria-live="polite">
      {stages.map(({ stage, at, by, said, isNo: isDeclined }) => {
        const isStuck = isRefused && stage === "sent";
        const isNo = isDeclined === true || isStuck;
        return (
        <li key={stage} className={isNo ? "is-no" : at === undefined ? "" : "is-reached"}>
          <span aria-hidden>{isNo ? "✕" : at === undefined ? "○" : "✓"}</span>
          <strong>{isStuck ? t("ambulance.stage.refused") : isDeclined ? t("ambulance.stage.declined") : t(`ambulance.stage.${stage}`)}</strong>
          <span>
            {at === undefined
              ? stage === "sent" && !isRefused && t("ambulance.stage.waits")
              : [timeAt(Date.parse(at)).slice(0, 5), by !== undefined && run !== undefined && nameOf(run, by), said !== undefined && say(locale, said)].filter(Boolean).join(" · ")}
          </span>
        </li>
        );
      })}
    </ol>
  );
}

function Photo({ onPhoto, count }: { onPhoto(data: string): void; count: number }) {
  const { t } = useTexts();
  const input = useRef<HTMLInputElement>(null);
  const [isBad, setIsBad] = useState(false);
  return (
    <>
      <button type="button" className="ambulance-key" onClick={() => input.current?.click()}>
        {t("ambulance.photo")} {count > 0 && t("ambulance.photo.count", { count })}
      </button>
      <input
        ref={input}
        hidden
        type="file"
        accept="image/*"
        capture="environment"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file !== undefined) shrunk(file).then((data) => (setIsBad(false), onPhoto(data)), () => setIsBad(true));
        }}
      />
      {isBad && <p className="ambulance-refused">{t("ambulance.photo.bad")}</p>}
    </>
  );
}

/** The file of an electrocardiograph, as it stands on the device or on what was plugged in. */
function Electrocardiogram({ onFile, count }: { onFile(file: { name: string; type: string; data: string }): void; count: number }) {
  const { t } = useTexts();
  const input = useRef<HTMLInputElement>(null);
  const [isBad, setIsBad] = useState(false);
  const take = async (file: File) => {
    if (file.size > LARGEST) return setIsBad(true);
    const data = await encoded(file);
    setIsBad(false);
    onFile({ name: file.name, type: file.type, data });
  };
  return (
    <>
      <button type="button" className="ambulance-key" onClick={() => input.current?.click()}>
        {t("ambulance.ecg")} {count > 0 && t("ambulance.ecg.count", { count })}
      </button>
      <input
        ref={input}
        hidden
        type="file"
        accept={KINDS}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file !== undefined) take(file).catch(() => setIsBad(true));
        }}
      />
      {isBad && <p className="ambulance-refused">{t("ambulance.ecg.bad")}</p>}
    </>
  );
}

/** Ends a drive on this device, with a second press: what is kept of it is removed once everything is there. */
function Over({ isWaiting, onOver }: { isWaiting: boolean; onOver(): void }) {
  const { t } = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  useEffect(() => {
    if (!isAsked) return;
    const timer = setTimeout(() => setIsAsked(false), 5_000);
    return () => clearTimeout(timer);
  }, [isAsked]);
  return (
    <button type="button" className="ambulance-key" onClick={() => (isAsked ? onOver() : setIsAsked(true))}>
      {isAsked ? t(isWaiting ? "ambulance.over.waiting" : "ambulance.over.sure") : t("ambulance.over")}
    </button>
  );
}
