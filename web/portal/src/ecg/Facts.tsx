import type { DiagnosticReport } from "@qingshan/client";
import { useTexts } from "../language";
import { showMoment } from "../views/Readable";
import { standingOf, type Tracing } from "./tracing";

/** When an electrocardiogram was recorded, by what, what the device made of it, and whether somebody has read it. */
export function Facts({ report, tracing }: { report: DiagnosticReport; tracing: Tracing }) {
  const texts = useTexts();
  const { t, known } = texts;
  const standing = standingOf(report);
  const recorded = new Date(tracing.began).toISOString();
  return (
    <section className="card ecg-facts" aria-label={t("ecg.facts")}>
      <p>
        <span className={standing === "read" ? "tag" : "tag tag-care"}>{t(`ecg.${standing}`)}</span> {report.conclusion}
      </p>
      <dl className="banner-facts">
        <div>
          <dt>{t("ecg.recorded")}</dt>
          <dd>{showMoment(texts, recorded)}</dd>
        </div>
        {report.issued !== undefined && (
          <div>
            <dt>{t("ecg.received")}</dt>
            <dd>{showMoment(texts, report.issued)}</dd>
          </div>
        )}
        <div>
          <dt>{t("ecg.length")}</dt>
          <dd>{t("ecg.length.of", { length: String(Math.round(tracing.length / 100) / 10) })}</dd>
        </div>
        {tracing.device !== undefined && (
          <div>
            <dt>{t("ecg.device")}</dt>
            <dd>{tracing.device}</dd>
          </div>
        )}
        {tracing.subject !== undefined && (
          <div>
            <dt>{t("ecg.subject")}</dt>
            <dd>{tracing.subject.map((part) => (part === "male" || part === "female" ? t(`sex.${part}`) : part)).join(" · ")}</dd>
          </div>
        )}
      </dl>
      {(tracing.measured.length > 0 || tracing.statements.length > 0) && (
        <>
          <h2>{t("ecg.machine")}</h2>
          <p className="hint">{t("ecg.machine.help")}</p>
          <dl className="banner-facts">
            {tracing.measured.map(({ code, display, value, unit }) => (
              <div key={code}>
                <dt>{known("loinc", code) ?? display ?? code}</dt>
                <dd>{`${value} ${unit}`}</dd>
              </div>
            ))}
          </dl>
          <ul className="ecg-statements">
            {tracing.statements.map((statement, place) => (
              <li key={place}>{statement}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
