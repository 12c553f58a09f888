import { Failure, type Call, type Shift } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Input } from "antd";
import { useState } from "react";
import { bounds, dayAt, minuteAt, readMinute } from "../calendar";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Field } from "../Field";
import { useTexts } from "../language";
import { say } from "../runs/words";
import { later } from "../sessions/reading";
import { FailureNotice, Loading } from "../states";
import { usePaging } from "./reading";

const ALL_DAY = 86_400_000;

/** Puts somebody on call: who, from when to when; instead of somebody where a shift is replaced. */
export function SetShift(props: { call: Call; day: string; instead?: Shift; institution: string; onClose(): void }) {
  const { call, day, instead, institution, onClose } = props;
  const { t, locale } = useTexts();
  const paging = usePaging();
  const cache = useQueryClient();
  const [key] = useState(() => crypto.randomUUID());
  const begins = instead === undefined ? `${day} 08:00` : minuteAt(Date.parse(instead.from));
  const ends = instead === undefined ? `${later(day, 1)} 08:00` : minuteAt(Date.parse(instead.to));
  const [who, setWho] = useState("");
  const [told, setTold] = useState({ from: begins, to: ends });
  const [isTried, setIsTried] = useState(false);
  const people = useQuery({
    queryKey: ["paging", "candidates", institution, call.code],
    queryFn: ({ signal }) => paging.candidates(institution, call.code, signal),
  });
  const from = readMinute(told.from);
  const to = readMinute(told.to);
  const length = Date.parse(to ?? "") - Date.parse(from ?? "");
  const wrong = { who: who === "", from: from === undefined, to: !(length > 0 && length <= 7 * ALL_DAY) };
  const setting = useMutation({
    mutationFn: () =>
      paging.setShift({
        key,
        institution: `Organization/${institution}`,
        call: call.code,
        who,
        from: from ?? "",
        to: to ?? "",
        ...(instead !== undefined && { instead: [instead.id] }),
      }),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ["paging", "roster"] });
      onClose();
    },
  });
  const send = () => {
    setIsTried(true);
    if (!Object.values(wrong).some(Boolean) && !setting.isPending) setting.mutate();
  };
  const isTwice = setting.error instanceof Failure && setting.error.kind === "conflict";
  const day24 = bounds(day)?.from ?? 0;
  const spans = [
    ["roster.span.day", 8, 18],
    ["roster.span.night", 18, 32],
    ["roster.span.whole", 8, 32],
  ] as const;
  return (
    <Dialog title={t(instead === undefined ? "roster.add" : "roster.replace")} onClose={onClose}>
      <p>
        <strong>{say(locale, call.title)}</strong>
        {instead !== undefined && <span className="what"> {t("roster.instead", { who: instead.name })}</span>}
      </p>
      {people.isPending && <Loading rows={3} />}
      {people.isError && <FailureNotice cause={people.error} retry={() => void people.refetch()} />}
      {people.isSuccess && (
        <Field label={t("roster.who")} error={isTried && wrong.who ? t("signIn.required") : undefined}>
          {(field) => (
            <select id={field.id} className="select" aria-invalid={field["aria-invalid"]} value={who} onChange={(event) => setWho(event.target.value)}>
              <option value="">{t("start.none")}</option>
              {people.data.map((one) => (
                <option key={one.who} value={one.who}>
                  {[one.name, one.house, one.channels.length === 0 ? t("roster.noChannel") : ""].filter(Boolean).join(" · ")}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {instead === undefined && (
        <div className="filters" role="group" aria-label={t("roster.span")}>
          {spans.map(([name, first, last]) => {
            const span = { from: minuteAt(day24 + first * 3_600_000), to: minuteAt(day24 + last * 3_600_000) };
            return (
              <button key={name} type="button" className="filter" aria-pressed={told.from === span.from && told.to === span.to} onClick={() => setTold(span)}>
                {t(name)}
              </button>
            );
          })}
        </div>
      )}
      <div className="roster-times">
        <Field label={t("roster.from")} error={isTried && wrong.from ? t("roster.from.wrong") : undefined}>
          {(field) => <Input {...field} className="measure" value={told.from} onChange={(event) => setTold((old) => ({ ...old, from: event.target.value }))} />}
        </Field>
        <Field label={t("roster.to")} error={isTried && wrong.to ? t("roster.to.wrong") : undefined}>
          {(field) => <Input {...field} className="measure" value={told.to} onChange={(event) => setTold((old) => ({ ...old, to: event.target.value }))} />}
        </Field>
      </div>
      {dayAt(Date.parse(to ?? "") || 0) < dayAt(Date.now()) && isTried && <Alert showIcon type="warning" title={t("roster.past")} />}
      {isTwice && <Alert role="alert" showIcon type="warning" title={t("roster.twice")} />}
      {setting.isError && !isTwice && <FailureNotice cause={setting.error} unsaved={t("roster.notSet")} />}
      <DialogEnd onClose={onClose} isBusy={setting.isPending} onDone={send}>
        {t("roster.set")}
      </DialogEnd>
    </Dialog>
  );
}
