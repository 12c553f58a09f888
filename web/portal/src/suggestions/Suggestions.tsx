import { Failure } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Link } from "wouter";
import { Dialog } from "../Dialog";
import { Field } from "../Field";
import { cited } from "../citations";
import { useTexts } from "../language";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { FailureNotice } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { isEmergency, showEvidence, startOf, suggestionsOf, useSuggestions, type Suggested } from "./suggestions";
import "./suggestions.css";

/**
 * What the record suggests of a patient, each with what shows it: followed in one step, or declined with a reason.
 *
 * @param props.onTake what following one does where its form is on the screen already
 * @param props.taken the rule of the one that is followed there
 */
export function Suggestions(props: { patient: string; protocol?: string; onTake?: (one: Suggested) => void; taken?: string | undefined }) {
  const { patient, protocol, onTake, taken } = props;
  const { t } = useTexts();
  const { failed, suggested } = useSuggestions(patient, protocol);
  const [declining, setDeclining] = useState<Suggested>();
  // Whoever may not know of protocols, or of this patient, is suggested nothing.
  const isRefused = failed?.error instanceof Failure && (failed.error.kind === "refused" || failed.error.kind === "missing");
  if (failed !== undefined && !isRefused) return <FailureNotice cause={failed.error} retry={() => void failed.refetch()} />;
  if (suggested.length === 0) return null;
  const open = suggested.filter(({ declined }) => declined === undefined);
  const declined = suggested.filter((one) => one.declined !== undefined);
  return (
    <section className="suggestions" aria-label={t("suggestions.title")}>
      {open.length > 0 && (
        <>
          <h2>{t("suggestions.title")}</h2>
          <ul>
            {open.map((one) => (
              <One key={one.key} one={one} onTake={onTake} isTaken={one.rule === taken} onDecline={() => setDeclining(one)} />
            ))}
          </ul>
        </>
      )}
      {declined.length > 0 && (
        <details className="suggestions-declined">
          <summary>{t("suggestions.declined", { count: declined.length })}</summary>
          <ul>
            {declined.map((one) => (
              <Declined key={one.key} one={one} />
            ))}
          </ul>
        </details>
      )}
      {declining !== undefined && <Decline one={declining} patient={patient} onClose={() => setDeclining(undefined)} />}
    </section>
  );
}

export function One(props: { one: Suggested; onTake?: ((one: Suggested) => void) | undefined; isTaken?: boolean; onDecline(): void }) {
  const { one, onTake, isTaken, onDecline } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const isGrave = isEmergency(one);
  const what = say(locale, one.start?.title) || say(locale, one.protocol.title);
  return (
    <li className={isGrave ? "suggestion is-grave" : "suggestion"}>
      <p className="suggestion-what">
        {isGrave && <GraveSign />}
        {one.class !== undefined && <strong className="suggestion-class">{say(locale, one.class.title)}</strong>}
        <span>{say(locale, one.title)}</span>
      </p>
      <ul className="suggestion-evidence">
        {one.evidence
          .filter((shows) => shows.reference !== undefined)
          .map((shows) => (
            <li key={shows.reference}>{showEvidence(texts, shows)}</li>
          ))}
      </ul>
      <p className="what">{t("suggestions.source", { source: cited(locale, one.source) })}</p>
      <div className="suggestion-ways">
        {one.run !== undefined ? (
          <Link className="button-link" href={`/runs/${encodeURIComponent(one.run)}`}>
            {t("suggestions.underWay", { what: say(locale, one.protocol.title) })}
          </Link>
        ) : isTaken ? (
          <span className="suggestion-taken">
            <span aria-hidden>✓ </span>
            {t("suggestions.taken")}
          </span>
        ) : onTake !== undefined ? (
          <button type="button" className="button-link is-main" onClick={() => onTake(one)}>
            {t("suggestions.take", { what })}
          </button>
        ) : (
          <Link className="button-link is-main" href={startOf(one)}>
            {t("suggestions.take", { what })}
          </Link>
        )}
        <button type="button" className="button-link" onClick={onDecline}>
          {t("suggestions.decline")}
        </button>
      </div>
    </li>
  );
}

function Declined({ one }: { one: Suggested }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const { at, by, reason } = one.declined ?? {};
  return (
    <li>
      {say(locale, one.title)}
      <span className="what">
        {" "}
        {[t("suggestions.declined.reason", { reason: reason ?? "" }), by, at !== undefined && showMoment(texts, at)].filter(Boolean).join(" · ")}
      </span>
    </li>
  );
}

export function Decline({ one, patient, onClose }: { one: Suggested; patient: string; onClose(): void }) {
  const { t, locale } = useTexts();
  const cache = useQueryClient();
  const runs = useRuns();
  const [reason, setReason] = useState("");
  const [isAsked, setIsAsked] = useState(false);
  const decline = useMutation({
    mutationFn: () => runs.decline(one.protocol.code, { patient: `Patient/${patient}`, key: one.key, reason: reason.trim() }),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: suggestionsOf(patient, one.protocol.code) });
      void cache.invalidateQueries({ queryKey: ["suggestions", "ward"] });
      onClose();
    },
  });
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsAsked(true);
    if (reason.trim() !== "" && !decline.isPending) decline.mutate();
  };
  return (
    <Dialog title={t("suggestions.decline.title")} onClose={onClose}>
      <form onSubmit={send}>
        <p>{say(locale, one.title)}</p>
        <Field
          label={t("suggestions.decline.reason")}
          help={t("suggestions.decline.help")}
          error={isAsked && reason.trim() === "" ? t("signIn.required") : undefined}
        >
          {(field) => <Input.TextArea {...field} rows={3} maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />}
        </Field>
        {decline.isError && <FailureNotice cause={decline.error} unsaved={t("state.kept")} />}
        <div className="form-end">
          <Button onClick={onClose}>{t("task.ask.back")}</Button>
          <Working type="primary" htmlType="submit" busy={decline.isPending ? t("state.saving") : undefined}>
            {t("suggestions.decline")}
          </Working>
        </div>
      </form>
    </Dialog>
  );
}

/** A warning triangle: its shape says what its colour says. */
function GraveSign() {
  return (
    <svg className="suggestion-sign" viewBox="0 0 20 20" aria-hidden>
      <path d="M10 2 19 18H1Z" />
      <path d="M10 8v4M10 14.5v.5" />
    </svg>
  );
}
