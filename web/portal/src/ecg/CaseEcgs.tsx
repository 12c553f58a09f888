import { Failure, type DiagnosticReport, type RunView } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { useRef, useState } from "react";
import { Link } from "wouter";
import { useTexts } from "../language";
import { useLive } from "../live";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { EcgSheet } from "./EcgSheet";
import { encoded, fileOf, KINDS, LARGEST } from "./file";
import { useEcg, useEcgs } from "./reading";
import { useRuler } from "./ruler";
import { standingOf } from "./tracing";
import "./ecg.css";

/** How long before a run began an electrocardiogram still belongs to it, in milliseconds. */
const BEFORE = 12 * 3_600_000;

/** The electrocardiograms of a case: the newest drawn, the others named, and a way to add one. */
export function CaseEcgs({ run, patient, mayAdd }: { run: RunView; patient: string; mayAdd: boolean }) {
  const texts = useTexts();
  const { t } = texts;
  const cache = useQueryClient();
  const since = new Date(Date.parse(run.began) - BEFORE).toISOString();
  const found = useEcgs(patient, since);
  useLive(`DiagnosticReport?patient=${patient}`, () => void cache.invalidateQueries({ queryKey: ["ecgs", patient] }));
  const [newest, ...others] = found.data ?? [];
  return (
    <section className="card case-ecgs" aria-label={t("ecg.title")}>
      <h2>{t("ecg.title")}</h2>
      {found.isPending && <Loading rows={3} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && newest === undefined && <p className="hint">{t("ecg.empty")}</p>}
      {newest !== undefined && <Newest report={newest} />}
      {others.length > 0 && (
        <ul className="lines">
          {others.map((report) => (
            <li key={report.id}>
              <Named report={report} />
            </li>
          ))}
        </ul>
      )}
      {mayAdd && <Add patient={patient} onDone={() => void cache.invalidateQueries({ queryKey: ["ecgs", patient] })} />}
    </section>
  );
}

function Named({ report }: { report: DiagnosticReport }) {
  const texts = useTexts();
  const { t } = texts;
  const standing = standingOf(report);
  return (
    <span>
      <Link href={`/ecgs/${encodeURIComponent(report.id ?? "")}`}>{showMoment(texts, report.effectiveDateTime ?? report.effectivePeriod?.start ?? "")}</Link>{" "}
      <span className={standing === "read" ? "tag" : "tag tag-care"}>{t(`ecg.${standing}`)}</span>
    </span>
  );
}

function Newest({ report }: { report: DiagnosticReport }) {
  const texts = useTexts();
  const { t } = texts;
  const ecg = useEcg(report.id ?? "");
  const ruler = useRuler();
  const tracing = ecg.data?.tracing;
  return (
    <>
      <p>
        <Named report={report} />
        {tracing !== undefined && tracing.statements.length > 0 && <span className="what"> {t("ecg.says", { said: tracing.statements.slice(0, 3).join(" · ") })}</span>}
      </p>
      {ecg.isPending && <Loading rows={4} />}
      {ecg.isError && <FailureNotice cause={ecg.error} retry={() => void ecg.refetch()} />}
      {ecg.isSuccess && tracing === undefined && <p className="hint">{t("ecg.nothing")}</p>}
      {tracing !== undefined && (
        <EcgSheet
          tracing={tracing}
          speed={25}
          gain={10}
          start={0}
          ruler={ruler ?? 1}
          zoom={1}
          label={t("ecg.label", { at: showMoment(texts, new Date(tracing.began).toISOString()), speed: 25, gain: 10 })}
        />
      )}
    </>
  );
}

/** A file of an electrocardiograph is taken in; when it says that it is somebody else's, somebody looks first. */
function Add({ patient, onDone }: { patient: string; onDone(): void }) {
  const { t } = useTexts();
  const service = useService();
  const input = useRef<HTMLInputElement>(null);
  const [isLarge, setIsLarge] = useState(false);
  const send = useMutation({
    mutationFn: async ({ file, isConfirmed }: { file: File; isConfirmed: boolean }) =>
      service.operation<DiagnosticReport>(`${patient}/$ecg`, fileOf({ name: file.name, type: file.type, data: await encoded(file) }, isConfirmed)),
    onSuccess: onDone,
  });
  const told = send.error instanceof Failure ? send.error : undefined;
  const choose = (file: File | undefined) => {
    if (file === undefined) return;
    setIsLarge(file.size > LARGEST);
    if (file.size <= LARGEST) send.mutate({ file, isConfirmed: false });
  };
  return (
    <div className="ecg-add">
      <Working busy={send.isPending ? t("state.saving") : undefined} onClick={() => input.current?.click()}>
        {t("ecg.add")}
      </Working>
      <input
        ref={input}
        hidden
        type="file"
        accept={KINDS}
        onChange={({ target }) => {
          choose(target.files?.[0]);
          target.value = "";
        }}
      />
      {isLarge && <p className="note note-error">{t("ecg.large")}</p>}
      {told?.kind === "conflict" && send.variables !== undefined ? (
        <div className="note note-warning" role="alert">
          <p>{t("ecg.differs")}</p>
          <p>{told.message}</p>
          <Button danger onClick={() => send.mutate({ ...send.variables, isConfirmed: true })}>
            {t("ecg.confirm")}
          </Button>
        </div>
      ) : (
        send.isError && <FailureNotice cause={send.error} unsaved={t("ecg.unsaved")} />
      )}
    </div>
  );
}
