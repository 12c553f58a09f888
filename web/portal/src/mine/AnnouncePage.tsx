import type { Organization } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { timeAt } from "../calendar";
import { levelOf } from "../consortium/tree";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { useLive } from "../live";
import { newId } from "../patients/vitals";
import { useService, useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import { Working } from "../Working";
import { announcement, awaited, complaints, needsAmbulance, searchFor, told, type Announced, type Complaint } from "./announcing";
import "../ambulance/lane.css";
import "./mine.css";

/** In how many minutes somebody may say that they are there. */
const SOON = ["15", "30", "60"] as const;
type Soon = (typeof SOON)[number];

/**
 * Somebody at home says that they come to an emergency department. Calling 120 stands above it and stays there: nothing of
 * this page has to be done before, and what should not be driven is told so at once.
 */
export default function AnnouncePage() {
  const { t, locale } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const session = useSession();
  const { own = [], charges = [] } = session.patients ?? {};
  const ids = [...own, ...charges];
  const [id, setId] = useState(newId);
  const [patient, setPatient] = useState(ids[0] ?? "");
  const [complaint, setComplaint] = useState<Complaint>();
  const [isComing, setIsComing] = useState(false);
  const [hospital, setHospital] = useState("");
  const [minutes, setMinutes] = useState<Soon>("30");
  const [words, setWords] = useState("");
  const [isTried, setIsTried] = useState(false);
  const hospitals = useQuery({
    queryKey: ["hospitals"],
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const all = await service.all<Organization>("Organization", { active: "true", type: "prov", _elements: "name,type", _count: "200" }, signal);
      return all.filter((one) => ["tertiary", "secondary"].includes(levelOf(one) ?? ""));
    },
  });
  const people = useQuery({
    queryKey: ["mine", ...ids],
    enabled: ids.length > 1,
    queryFn: ({ signal }) => service.search("Patient", { _id: ids.join(","), _count: String(ids.length) }, signal),
  });
  const names = new Map((people.data?.found ?? []).map((one) => [one.id ?? "", (one as { name?: { text?: string }[] }).name?.[0]?.text ?? ""]));
  const key = ["mine", "announced", ...ids];
  const open = useQuery({
    queryKey: key,
    enabled: ids.length > 0,
    queryFn: ({ signal }) => service.search<Announced>("Communication", searchFor({ patient: ids.join(",") }, Date.now()), signal),
  });
  useLive(`Communication?patient=${ids.map(encodeURIComponent).join(",")}`, () => void cache.invalidateQueries({ queryKey: key }));
  const send = useMutation({
    mutationFn: (what: Complaint) => {
      const now = Date.now();
      const label = t(`announce.complaint.${what}`);
      return service.createOnce(announcement({ id, patient, hospital, complaint: what, label, words, now, expected: now + Number(minutes) * 60_000 }));
    },
    onSuccess: () => {
      setId(newId());
      setComplaint(undefined);
      setIsComing(false);
      setWords("");
      setIsTried(false);
      void cache.invalidateQueries({ queryKey: key });
    },
  });
  const takeBack = useMutation({
    mutationFn: (one: Announced) => service.update({ ...one, status: "stopped" }),
    onSettled: () => void cache.invalidateQueries({ queryKey: key }),
  });
  const announced = awaited(open.data?.found ?? [], Date.now());
  const nameOf = (of: string | undefined) => hospitals.data?.find((one) => one.id === of)?.name ?? "";
  const grave = complaint !== undefined && needsAmbulance(complaint) ? complaint : undefined;
  const asks = complaint !== undefined && (grave === undefined || isComing);
  const call = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Whoever must call is not to look for where it says so.
    if (grave !== undefined) call.current?.scrollIntoView({ block: "center" });
  }, [grave]);
  return (
    <section className="mine announce">
      <p>
        <Link href="/mine">{t("mine.back")}</Link>
      </p>
      <h1>{t("announce.title")}</h1>
      <section className="lane is-home" aria-label={t("lane.call")}>
        <strong>{t("announce.first")}</strong>
        <a className="lane-call" href="tel:120">
          {t("lane.call")}
        </a>
      </section>
      {announced.map((one) => {
        const { hospital: where, expected, label } = told(one);
        return (
          <article key={one.id} className="card announced-own" role="status">
            <h2>{t("announce.known", { where: nameOf(where) })}</h2>
            <p>
              {[label, t("announce.expected", { time: timeAt(expected).slice(0, 5) })].filter(Boolean).join(" · ")}
              {names.size > 1 && ` · ${names.get(one.subject?.reference?.replace("Patient/", "") ?? "") ?? ""}`}
            </p>
            <p>{t("announce.known.help")}</p>
            <Button onClick={() => takeBack.mutate(one)} disabled={takeBack.isPending}>
              {t("announce.back")}
            </Button>
          </article>
        );
      })}
      {takeBack.isError && <FailureNotice cause={takeBack.error} />}
      <div className="card">
        <h2>{t("announce.what")}</h2>
        <div className="announce-what" role="group" aria-label={t("announce.what")}>
          {complaints.map((one) => (
            <button
              key={one}
              type="button"
              className={needsAmbulance(one) ? "mine-door is-grave" : "mine-door"}
              aria-pressed={complaint === one}
              onClick={() => {
                setComplaint(one);
                setIsComing(false);
              }}
            >
              {t(`announce.complaint.${one}`)}
            </button>
          ))}
        </div>
        {grave !== undefined && (
          <div ref={call} className="lane is-home announce-call" role="alert">
            <strong>{t("announce.call")}</strong>
            <span>{t(`announce.advice.${grave}`)}</span>
            <a className="lane-call" href="tel:120">
              {t("lane.call")}
            </a>
            {!isComing && (
              <button type="button" className="inline-button" onClick={() => setIsComing(true)}>
                {t("announce.anyway")}
              </button>
            )}
          </div>
        )}
        {complaint !== undefined && grave === undefined && <p className="hint">{t("announce.advice.other")}</p>}
        {asks && (
          <>
            {ids.length > 1 && <Choice label={t("announce.who")} value={patient} onChange={setPatient} options={ids.map((value) => ({ value, label: names.get(value) ?? value }))} />}
            {hospitals.isPending && <Loading rows={2} />}
            {hospitals.isError && <FailureNotice cause={hospitals.error} retry={() => void hospitals.refetch()} />}
            {hospitals.data !== undefined && (
              <Choice
                label={t("announce.where")}
                value={hospital === "" ? undefined : hospital}
                onChange={setHospital}
                options={hospitals.data.map((one) => ({ value: one.id ?? "", label: one.name ?? "" }))}
                error={isTried && hospital === "" ? t("announce.where.missing") : undefined}
              />
            )}
            <Choice<Soon> label={t("announce.when")} value={minutes} onChange={setMinutes} options={SOON.map((value) => ({ value, label: t("announce.minutes", { count: Number(value) }) }))} />
            <Field label={t("announce.words")} help={t("announce.words.help")}>
              {(field) => <Input.TextArea id={field.id} aria-describedby={field["aria-describedby"]} autoSize={{ minRows: 2 }} maxLength={200} lang={locale} value={words} onChange={(event) => setWords(event.target.value)} />}
            </Field>
            {send.isError && <FailureNotice cause={send.error} unsaved={t("announce.unsent")} />}
            <div className="form-end">
              <Working
                type="primary"
                busy={send.isPending ? t("state.saving") : undefined}
                onClick={() => {
                  setIsTried(true);
                  if (hospital !== "" && patient !== "" && !send.isPending) send.mutate(complaint);
                }}
              >
                {t("announce.send")}
              </Working>
            </div>
          </>
        )}
      </div>
    </section>
  );
}
