import { Failure } from "@qingshan/client";
import { Button } from "antd";
import { useState } from "react";
import { Link } from "wouter";
import { Choice } from "../Field";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { FailureNotice, Loading, Nothing } from "../states";
import { showMoment } from "../views/Readable";
import { EcgSheet } from "./EcgSheet";
import { Facts } from "./Facts";
import { useEcg } from "./reading";
import { useRuler } from "./ruler";
import { RulerDialog } from "./Ruler";
import { SHEET, type Tracing } from "./tracing";
import "./ecg.css";

const SPEEDS = ["25", "50"] as const;
const GAINS = ["5", "10", "20"] as const;
const ZOOMS = ["1", "1.5", "2", "3"] as const;

/** One electrocardiogram at its true size, on the screen and on paper. */
export default function EcgPage({ id }: { id: string }) {
  const { t } = useTexts();
  const ecg = useEcg(id);
  if (ecg.isError && ecg.data === undefined) return <FailureNotice cause={ecg.error} retry={() => void ecg.refetch()} />;
  if (ecg.data === undefined) return <Loading rows={10} />;
  const { report, patient, tracing } = ecg.data;
  return (
    <section className="ecg stack" aria-label={t("ecg.title")}>
      <Whose patient={patient} />
      {tracing === undefined ? (
        <Nothing title={t("ecg.nothing")} help={t("ecg.nothing.help")} />
      ) : (
        <>
          <Drawn tracing={tracing} />
          <Facts report={report} tracing={tracing} />
        </>
      )}
    </section>
  );
}

function Whose({ patient }: { patient: Parameters<typeof useShown>[0] }) {
  const { t } = useTexts();
  const { sexAndAge, birthDate } = useShown(patient);
  if (patient.id === undefined) return <FailureNotice cause={new Failure("missing", 404)} />;
  return (
    <header className="card ecg-head">
      <h1>
        <Link href={`/patients/${encodeURIComponent(patient.id)}`}>{nameOf(patient) ?? t("patient.nameless")}</Link>
      </h1>
      <p className="what">
        {sexAndAge} · {birthDate}
      </p>
    </header>
  );
}

/** The drawing with what can be chosen of it. */
function Drawn({ tracing }: { tracing: Tracing }) {
  const texts = useTexts();
  const { t } = texts;
  const [speed, setSpeed] = useState<(typeof SPEEDS)[number]>("25");
  const [gain, setGain] = useState<(typeof GAINS)[number]>("10");
  const [zoom, setZoom] = useState<(typeof ZOOMS)[number]>("1");
  const [start, setStart] = useState(0);
  const [isMeasured, setIsMeasured] = useState(false);
  const ruler = useRuler();
  const label = t("ecg.label", { at: showMoment(texts, new Date(tracing.began).toISOString()), speed, gain });
  const isTrue = ruler !== undefined && zoom === "1";
  return (
    <section className="card" aria-label={t("ecg.drawing")}>
      <div className="ecg-tools">
        <Choice<(typeof SPEEDS)[number]> label={t("ecg.speed")} value={speed} onChange={(value) => setSpeed(value)} options={SPEEDS.map((value) => ({ value, label: t("ecg.speed.of", { speed: value }) }))} />
        <Choice<(typeof GAINS)[number]> label={t("ecg.gain")} value={gain} onChange={(value) => setGain(value)} options={GAINS.map((value) => ({ value, label: t("ecg.gain.of", { gain: value }) }))} />
        <Choice<(typeof ZOOMS)[number]> label={t("ecg.zoom")} value={zoom} onChange={(value) => setZoom(value)} options={ZOOMS.map((value) => ({ value, label: t("ecg.zoom.of", { zoom: value }) }))} />
        <span className="ecg-buttons">
          {tracing.length > SHEET && (
            <>
              <Button size="large" disabled={start === 0} onClick={() => setStart(Math.max(0, start - SHEET))}>
                {t("ecg.earlier")}
              </Button>
              <Button size="large" disabled={start + SHEET >= tracing.length} onClick={() => setStart(start + SHEET)}>
                {t("ecg.later")}
              </Button>
            </>
          )}
          <Button size="large" onClick={() => setIsMeasured(true)}>
            {t("ecg.ruler")}
          </Button>
          <Button size="large" onClick={() => print()}>
            {t("ecg.print")}
          </Button>
        </span>
      </div>
      <p className={`ecg-scale ${isTrue ? "is-true" : "is-not"}`} role="status">
        <span aria-hidden>{isTrue ? "✓ " : "⚠ "}</span>
        {ruler === undefined ? t("ecg.scale.unknown") : isTrue ? t("ecg.scale.true") : t("ecg.scale.zoom", { zoom })}
      </p>
      <p className="ecg-printed">{t("ecg.printed", { at: showMoment(texts, new Date(tracing.began).toISOString()), speed, gain })}</p>
      <EcgSheet tracing={tracing} speed={Number(speed)} gain={Number(gain)} start={start} ruler={ruler ?? 1} zoom={Number(zoom)} label={label} />
      {isMeasured && <RulerDialog ruler={ruler} onClose={() => setIsMeasured(false)} />}
    </section>
  );
}
