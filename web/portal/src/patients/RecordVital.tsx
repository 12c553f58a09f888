import type { Patient } from "@qingshan/client";
import { useMutation } from "@tanstack/react-query";
import { Input } from "antd";
import { useState, type FormEvent } from "react";
import { bounds, minuteAt, readMinute } from "../calendar";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { useOnce } from "../once";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { useShown } from "./show";
import {
  bloodPressure,
  DIASTOLIC,
  readValue,
  SYSTOLIC,
  TEMPERATURE,
  temperature,
  type Measure,
  type Reading,
} from "./vitals";

type Kind = "bloodPressure" | "temperature";

/** A form that records one measurement of one person. */
export function RecordVital(props: { patient: string; name: string; person: Patient; onDone(): void }) {
  const { patient, name, person, onDone } = props;
  const { t } = useTexts();
  const service = useService();
  const { sexAndAge } = useShown(person);
  const { idOf } = useOnce();
  const [kind, setKind] = useState<Kind>("bloodPressure");
  const [typed, setTyped] = useState({ systolic: "", diastolic: "", temperature: "" });
  const [at, setAt] = useState(() => minuteAt(Date.now()));
  const [isTried, setIsTried] = useState(false);
  const [confirmed, setConfirmed] = useState("");

  const readings: { key: keyof typeof typed; measure: Measure; label: string; reading: Reading }[] = (
    kind === "bloodPressure"
      ? ([
          ["systolic", SYSTOLIC, t("vitals.systolic")],
          ["diastolic", DIASTOLIC, t("vitals.diastolic")],
        ] as const)
      : ([["temperature", TEMPERATURE, t("vitals.temperature")]] as const)
  ).map(([key, measure, label]) => ({ key, measure, label, reading: readValue(measure, typed[key]) }));
  const values = readings.map(({ reading }) => (reading.ok ? reading.value : undefined));
  const [first, second] = values;
  const isReversed = kind === "bloodPressure" && first !== undefined && second !== undefined && first <= second;
  const isUnusual = readings.some(({ reading }) => reading.ok && reading.isUnusual);
  const when = readMinute(at);
  // Clocks of two machines differ a little; a measurement of this minute is not one of the future.
  const isAhead = when !== undefined && (bounds(when)?.from ?? 0) > Date.now() + 120_000;
  const isComplete = values.every((value) => value !== undefined) && !isReversed && when !== undefined && !isAhead;
  const print = `${kind} ${values.join(" ")}`;

  const save = useMutation({
    mutationFn: () => {
      const taken = { id: idOf(`${print} ${when ?? ""}`), patient, at: when ?? "" };
      const observation =
        kind === "bloodPressure"
          ? bloodPressure(taken, first ?? Number.NaN, second ?? Number.NaN)
          : temperature(taken, first ?? Number.NaN);
      return service.createOnce(observation);
    },
    onSuccess: onDone,
  });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isComplete || save.isPending) return;
    // A second look is asked for once per value, not once per form.
    if (isUnusual && confirmed !== print) setConfirmed(print);
    else save.mutate();
  };

  const errorOf = ({ measure, reading, key }: (typeof readings)[number]): string | undefined => {
    if (!reading.ok) {
      if (reading.why === "impossible" && typed[key] !== "") {
        const [least, most] = measure.possible;
        return isTried ? t("vitals.impossible", { least, most, unit: measure.shown }) : undefined;
      }
      return isTried ? t(measure.decimals === 0 ? "vitals.number" : "vitals.number.decimal") : undefined;
    }
    return isTried && isReversed && key === "diastolic" ? t("vitals.order") : undefined;
  };
  const isAsking = isUnusual && confirmed === print;

  return (
    <form onSubmit={submit} noValidate className="vital">
      <p className="for-whom">
        <strong>{t("vitals.for", { name })}</strong> {sexAndAge}
      </p>
      <Choice
        label={t("vitals.kind")}
        value={kind}
        onChange={(next) => {
          setKind(next);
          setIsTried(false);
        }}
        options={[
          { value: "bloodPressure", label: t("vitals.bloodPressure") },
          { value: "temperature", label: t("vitals.temperature") },
        ]}
      />
      <div className="side-by-side">
        {readings.map((entry, place) => (
          <Field
            key={entry.key}
            label={entry.label}
            error={errorOf(entry)}
          >
            {(field) => (
              <Input
                {...field}
                {...(isAsking && entry.reading.ok && entry.reading.isUnusual && { status: "warning" })}
                size="large"
                className="measure"
                inputMode={entry.measure.decimals === 0 ? "numeric" : "decimal"}
                autoComplete="off"
                autoFocus={place === 0}
                suffix={entry.measure.shown}
                value={typed[entry.key]}
                onChange={(event) => setTyped({ ...typed, [entry.key]: event.target.value })}
              />
            )}
          </Field>
        ))}
        {isAsking && (
          <p className="note note-warning" role="alert">
            {t("vitals.unusual")}
          </p>
        )}
      </div>
      <Field
        label={t("vitals.at")}
        help={t("vitals.at.help")}
        error={when === undefined ? t("vitals.at.wrong") : isAhead ? t("vitals.at.future") : undefined}
      >
        {(field) => <Input {...field} autoComplete="off" value={at} onChange={(event) => setAt(event.target.value)} />}
      </Field>
      {save.isError && <FailureNotice cause={save.error} unsaved={t("state.kept")} />}
      <Working type="primary" htmlType="submit" block busy={save.isPending ? t("state.saving") : undefined}>
        {t(isAsking ? "vitals.submit.confirm" : "vitals.submit")}
      </Working>
    </form>
  );
}
