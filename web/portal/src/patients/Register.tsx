import type { Patient, Sex } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert, Input } from "antd";
import { useRef, useState, type FormEvent } from "react";
import { Link, useLocation } from "wouter";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { StaleBanner } from "../live";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { nameOf, residentIdOf } from "./person";
import { check, register, type Faults, type Typed } from "./register";
import { readResidentId } from "./residentId";
import { useShown } from "./show";
import { newId } from "./vitals";

const sexes: Sex[] = ["male", "female", "other", "unknown"];
const blank: Typed = { family: "", given: "", residentId: "", sex: undefined, birthDate: "", phone: "" };

/** A form that opens the record of a person who has none yet. */
export default function Register() {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [, go] = useLocation();
  // Chosen once for this form, so that sending it again after a broken line does not open a second record.
  const id = useRef(newId());
  const form = useRef<HTMLFormElement>(null);
  const [typed, setTyped] = useState(blank);
  const [isTried, setIsTried] = useState(false);

  const checked = check(typed, Date.now());
  const { faults, card, birthDate } = checked;
  const error = (field: keyof Faults) => {
    const fault = faults[field];
    // A number of full length is judged at once; the rest waits until somebody means to be done.
    const isJudged = isTried || (field === "residentId" && typed.residentId.trim().length >= 18);
    return isJudged && fault !== undefined ? t(fault) : undefined;
  };
  const save = useMutation({
    mutationFn: (isNoTwin: boolean) => register(service, checked, id.current, isNoTwin),
    onSuccess: (registered) => {
      void cache.invalidateQueries({ queryKey: ["find"] });
      if (registered.kind === "new") go(`/patients/${registered.id}`);
    },
  });
  const set = (change: Partial<Typed>) => {
    setTyped({ ...typed, ...change });
    // An answer about other words than those that now stand here would mislead.
    if (save.isSuccess || save.isError) save.reset();
  };
  /** Fills in what the card says where nothing was said yet; what was entered by hand is never changed. */
  const setCard = (residentId: string) => {
    const found = readResidentId(residentId);
    if (!found.ok) return set({ residentId });
    const isDated = typed.birthDate.trim() !== "";
    set({ residentId, sex: typed.sex ?? found.sex, ...(!isDated && { birthDate: found.birthDate }) });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (save.isPending) return;
    if (Object.keys(faults).length === 0) save.mutate(save.data?.kind === "twins");
    else requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };
  const isOtherSex = card?.ok && typed.sex !== undefined && typed.sex !== card.sex;
  const isOtherDay = card?.ok && birthDate !== undefined && birthDate !== card.birthDate;

  return (
    <form className="card register" onSubmit={submit} noValidate ref={form}>
      <h1>{t("register.title")}</h1>
      <StaleBanner state={{ kind: "connecting" }} retry={() => location.reload()} />
      <div className="side-by-side">
        <Field label={t("register.family")} error={error("family")}>
          {(field) => (
            <Input {...field} autoFocus autoComplete="off" value={typed.family} onChange={(e) => set({ family: e.target.value })} />
          )}
        </Field>
        <Field label={t("register.given")} error={error("given")}>
          {(field) => <Input {...field} autoComplete="off" value={typed.given} onChange={(e) => set({ given: e.target.value })} />}
        </Field>
      </div>
      <Field label={t("register.residentId")} help={t("register.residentId.help")} error={error("residentId")}>
        {(field) => (
          <Input
            {...field}
            className="measure"
            autoComplete="off"
            maxLength={22}
            value={typed.residentId}
            onChange={(event) => setCard(event.target.value)}
          />
        )}
      </Field>
      <Choice
        label={t("register.sex")}
        options={sexes.map((value) => ({ value, label: t(`sex.${value}`) }))}
        value={typed.sex}
        onChange={(sex) => set({ sex })}
        error={error("sex")}
        warning={isOtherSex ? t("register.sex.mismatch", { sex: t(`sex.${card.sex}`) }) : undefined}
      />
      <Field
        label={t("register.birthDate")}
        help={t("register.birthDate.help")}
        error={error("birthDate")}
        warning={isOtherDay ? t("register.birthDate.mismatch", { date: card.birthDate }) : undefined}
      >
        {(field) => (
          <Input
            {...field}
            className="measure"
            autoComplete="off"
            value={typed.birthDate}
            onChange={(event) => set({ birthDate: event.target.value })}
          />
        )}
      </Field>
      <Field label={t("register.phone")} error={error("phone")}>
        {(field) => (
          <Input
            {...field}
            className="measure"
            inputMode="tel"
            autoComplete="off"
            value={typed.phone}
            onChange={(event) => set({ phone: event.target.value })}
          />
        )}
      </Field>
      {save.data?.kind === "known" && (
        <Alert
          role="alert"
          showIcon
          type="warning"
          title={t("register.exists")}
          description={
            <Link href={`/patients/${save.data.patient.id}`}>
              {t("register.exists.open", { name: nameOf(save.data.patient) ?? t("patient.nameless") })}
            </Link>
          }
        />
      )}
      {save.data?.kind === "twins" && (
        <Alert
          role="alert"
          showIcon
          type="warning"
          title={t("register.twin")}
          description={
            <ul className="twins">
              {save.data.patients.map((patient) => (
                <Twin key={patient.id} patient={patient} />
              ))}
            </ul>
          }
        />
      )}
      {save.isError && <FailureNotice cause={save.error} unsaved={t("state.kept")} />}
      <div className="form-end">
        <Link className="button-link" href="/">
          {t("register.cancel")}
        </Link>
        <Working
          type="primary"
          htmlType="submit"
          busy={save.isPending ? t("state.saving") : undefined}
          disabled={save.data?.kind === "known"}
        >
          {t(
            save.data?.kind === "twins"
              ? "register.twin.submit"
              : save.isError
                ? "register.submit.again"
                : "register.submit",
          )}
        </Working>
      </div>
    </form>
  );
}

function Twin({ patient }: { patient: Patient }) {
  const { t } = useTexts();
  const { sexAndAge, birthDate } = useShown(patient);
  return (
    <li>
      <Link href={`/patients/${patient.id}`}>{nameOf(patient) ?? t("patient.nameless")}</Link> {sexAndAge} · {birthDate}
      {residentIdOf(patient) && ` · ${residentIdOf(patient)}`}
    </li>
  );
}
