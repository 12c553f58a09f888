import { LockOutlined, ThunderboltOutlined } from "@ant-design/icons";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useEffect, useState, type FormEvent } from "react";
import { showDate, showTime } from "../calendar";
import { Dialog } from "../Dialog";
import { Choice, Field } from "../Field";
import { useTexts, type Texts } from "../language";
import { useNow } from "../live";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { useUnsaved } from "../unsaved";
import { Working } from "../Working";
import { about } from "./reading";
import { breakGlass, emergencies, lasting, type Emergency, type Held, type Relations } from "./relation";

/** By what one sees this record, under the name of whom it is about. */
export function RelationLine({ relations }: { relations: Relations | null | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  if (relations === undefined) return null;
  if (relations === null) return <p className="relation">{t("relation.unavailable")}</p>;
  if (relations.isClosed) return <p className="relation is-closed">{t("relation.closed")}</p>;
  return (
    <p className="relation">
      <span className="what">{t("relation.by")}</span>{" "}
      {relations.held.length === 0 ? t("relation.duty") : lasting(relations.held).map((held) => showHeld(texts, held)).join(" · ")}
    </p>
  );
}

function showHeld(texts: Texts, { code, until }: Held): string {
  const { t, known, locale } = texts;
  const word = known("relation", code) ?? code;
  if (until === undefined) return word;
  return t("relation.until", { relation: word, until: [showDate(until, locale), showTime(until)].filter(Boolean).join(" ") });
}

/** What is left of an emergency access, as long as there is any. */
export function Countdown({ id, until }: { id: string; until: number }) {
  const { t } = useTexts();
  const cache = useQueryClient();
  const now = useNow(1_000);
  const left = Math.max(0, Math.floor((until - now) / 1000));
  useEffect(() => {
    if (left === 0) void cache.invalidateQueries({ queryKey: about(id) });
  }, [left, cache, id]);
  const two = (count: number) => String(Math.floor(count)).padStart(2, "0");
  return (
    <p className="countdown" role="timer">
      <strong>
        <ThunderboltOutlined />{" "}
        {t("glass.open")}
      </strong>{" "}
      <span>{t("glass.left", { left: `${two(left / 3600)}:${two((left / 60) % 60)}:${two(left % 60)}` })}</span>
    </p>
  );
}

/** In place of a record that is closed: why, what would open it, and the way in when a life depends on it. */
export function ClosedRecord({ id, name, relations }: { id: string; name: string; relations: Relations }) {
  const texts = useTexts();
  const { t, known } = texts;
  const [isAsking, setIsAsking] = useState(false);
  const ways = relations.openedBy;
  return (
    <section className="card closed" role="status">
      <h2>
        <LockOutlined />{" "}
        {t("closed.title")}
      </h2>
      <p>{t(relations.isRefused ? "closed.refused" : "closed.why", { name })}</p>
      {ways.length > 0 && (
        <>
          <p>{t("closed.what")}</p>
          <ul className="ways">
            {ways.map((way) => (
              <li key={way}>{known("relation", way) ?? way}</li>
            ))}
          </ul>
        </>
      )}
      {relations.mayBreakGlass && (
        <div className="glass">
          <p>{t("glass.offer")}</p>
          <Button danger type="primary" size="large" onClick={() => setIsAsking(true)}>
            {t("glass.break")}
          </Button>
        </div>
      )}
      {isAsking && <BreakGlass id={id} name={name} onClose={() => setIsAsking(false)} />}
    </section>
  );
}

/** Asks for the reason, says what follows, and opens the record. */
export function BreakGlass({ id, name, onClose }: { id: string; name: string; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [reason, setReason] = useState<Emergency>();
  const [text, setText] = useState("");
  const [isTried, setIsTried] = useState(false);
  const open = useMutation({
    mutationFn: (why: Emergency) => breakGlass(service, id, why, text.trim() || t(`glass.reason.${why}`)),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: about(id) });
      onClose();
    },
  });
  useUnsaved(text !== "");
  const needsText = reason === "other" && text.trim() === "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (reason !== undefined && !needsText && !open.isPending) open.mutate(reason);
  };
  return (
    <Dialog title={t("glass.title", { name })} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <p className="gap-note">{t("glass.consequence")}</p>
        <Choice
          label={t("glass.reason")}
          options={emergencies.map((value) => ({ value, label: t(`glass.reason.${value}`) }))}
          value={reason}
          onChange={(value) => setReason(value)}
          error={isTried && reason === undefined ? t("glass.reason.missing") : undefined}
        />
        <Field label={t("glass.text")} error={isTried && needsText ? t("glass.text.missing") : undefined}>
          {(field) => <Input {...field} maxLength={200} value={text} onChange={(event) => setText(event.target.value)} />}
        </Field>
        {open.isError && <FailureNotice cause={open.error} />}
        <div className="form-end">
          <Button size="large" onClick={onClose}>
            {t("glass.cancel")}
          </Button>
          <Working danger type="primary" htmlType="submit" busy={open.isPending ? t("state.saving") : undefined}>
            {t("glass.submit")}
          </Working>
        </div>
      </form>
    </Dialog>
  );
}
