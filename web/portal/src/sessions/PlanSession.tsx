import { Failure, type Practitioner, type PractitionerRole } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Input } from "antd";
import { useState } from "react";
import { dayAt, readMinute } from "../calendar";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Field } from "../Field";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useInstitutions } from "../protocols/Figures";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { later, plan } from "./reading";

/** Plans a session: who, where, when, and how long each visit is. */
export function PlanSession({ place, onClose }: { place: string | undefined; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const institutions = useInstitutions();
  const [key] = useState(() => crypto.randomUUID());
  const [who, setWho] = useState<{ reference: string; name: string }>();
  const [told, setTold] = useState({
    place: place === undefined ? "" : `Organization/${place}`,
    day: later(dayAt(Date.now()), 1),
    from: "09:00",
    to: "11:30",
    minutes: "20",
    about: "",
    note: "",
    "note-en": "",
  });
  const [isTried, setIsTried] = useState(false);
  const set = (name: keyof typeof told) => (event: { target: { value: string } }) => setTold((old) => ({ ...old, [name]: event.target.value }));
  const from = readMinute(`${told.day} ${told.from}`);
  const to = readMinute(`${told.day} ${told.to}`);
  const minutes = Number(told.minutes);
  const wrong = {
    who: who === undefined,
    place: told.place === "",
    from: from === undefined || Date.parse(from) < Date.now(),
    to: from === undefined || to === undefined || Date.parse(to) <= Date.parse(from),
    minutes: !Number.isInteger(minutes) || minutes < 3 || minutes > 240,
  };
  const planning = useMutation({
    mutationFn: () => {
      const { about, note } = told;
      return plan(service, { key, who: who?.reference ?? "", place: told.place, about, from: from ?? "", to: to ?? "", note, "note-en": told["note-en"], minutes, pool: false });
    },
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ["sessions"] });
      onClose();
    },
  });
  const send = () => {
    setIsTried(true);
    if (!Object.values(wrong).some(Boolean) && !planning.isPending) planning.mutate();
  };
  const error = (isWrong: boolean, text = t("signIn.required")) => (isTried && isWrong ? text : undefined);
  const isElsewhere = planning.error instanceof Failure && planning.error.kind === "conflict";
  const houses = (institutions.data ?? []).filter((one) => one.partOf === undefined);
  return (
    <Dialog title={t("experts.plan")} onClose={onClose}>
      <div className="plan-session">
        <Expert who={who} onChoose={setWho} error={error(wrong.who)} />
        <Field label={t("experts.place")} error={error(wrong.place)}>
          {(field) => (
            <select id={field.id} className="select" aria-invalid={field["aria-invalid"]} value={told.place} onChange={set("place")}>
              <option value="">{t("start.none")}</option>
              {houses.map((one) => (
                <option key={one.id} value={`Organization/${one.id}`}>
                  {one.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div className="plan-times">
          <Field label={t("experts.day")}>{(field) => <Input {...field} className="measure" value={told.day} onChange={set("day")} />}</Field>
          <Field label={t("experts.from")} error={error(wrong.from, t("experts.from.wrong"))}>
            {(field) => <Input {...field} className="measure" value={told.from} onChange={set("from")} />}
          </Field>
          <Field label={t("experts.to")} error={error(wrong.to, t("experts.to.wrong"))}>
            {(field) => <Input {...field} className="measure" value={told.to} onChange={set("to")} />}
          </Field>
          <Field label={t("experts.minutes")} error={error(wrong.minutes, t("experts.minutes.wrong"))}>
            {(field) => <Input {...field} className="measure" inputMode="numeric" value={told.minutes} onChange={set("minutes")} />}
          </Field>
        </div>
        <Field label={t("experts.about")}>{(field) => <Input {...field} value={told.about} onChange={set("about")} />}</Field>
        <Field label={t("experts.note")} help={t("experts.note.help")}>
          {(field) => <Input {...field} value={told.note} onChange={set("note")} />}
        </Field>
        <Field label={t("experts.note.en")}>{(field) => <Input {...field} value={told["note-en"]} onChange={set("note-en")} />}</Field>
        {isElsewhere && <Alert role="alert" type="warning" showIcon title={t("experts.elsewhere")} description={t("experts.elsewhere.help")} />}
        {planning.isError && !isElsewhere && <FailureNotice cause={planning.error} unsaved={t("experts.notPlanned")} />}
        <DialogEnd onClose={onClose} isBusy={planning.isPending} onDone={send}>
          {t("experts.plan.submit")}
        </DialogEnd>
      </div>
    </Dialog>
  );
}

/** The expert, found by name. */
function Expert(props: { who: { name: string } | undefined; onChoose(who: { reference: string; name: string } | undefined): void; error: string | undefined }) {
  const { who, onChoose, error } = props;
  const { t } = useTexts();
  const service = useService();
  const institutions = useInstitutions();
  const [typed, setTyped] = useState("");
  const text = typed.trim();
  const found = useQuery({
    queryKey: ["sessions", "experts", text],
    enabled: text !== "" && who === undefined,
    queryFn: async ({ signal }) => {
      const people = (await service.search<Practitioner>("Practitioner", { name: text, active: "true", _count: "8" }, signal)).found;
      const ids = people.flatMap(({ id }) => (id === undefined ? [] : [id]));
      if (ids.length === 0) return [];
      const asked = { practitioner: ids.map((id) => `Practitioner/${id}`).join(","), active: "true", _count: "50" };
      const roles = (await service.search<PractitionerRole>("PractitionerRole", asked, signal)).found;
      const isDoctor = (role: PractitionerRole) => role.code?.some(({ coding }) => coding?.some(({ code }) => code === "doctor" || code === "radiologist"));
      return roles.filter(isDoctor).map((role) => {
        const person = people.find(({ id }) => role.practitioner?.reference === `Practitioner/${id}`);
        return { reference: `PractitionerRole/${role.id}`, name: (person && nameOf(person)) ?? "", organization: role.organization?.reference };
      });
    },
  });
  if (who !== undefined) {
    return (
      <div className="field">
        <span className="what">{t("experts.expert")}</span>
        <p className="start-patient">
          <strong>{who.name}</strong>
          <button type="button" className="inline-button" onClick={() => onChoose(undefined)}>
            {t("start.patient.other")}
          </button>
        </p>
      </div>
    );
  }
  const named = new Map((institutions.data ?? []).map((one) => [`Organization/${one.id}`, one.name ?? ""]));
  return (
    <>
      <Field label={t("experts.expert")} error={error}>
        {(field) => <Input {...field} type="search" autoComplete="off" placeholder={t("form.reference.hint")} value={typed} onChange={(event) => setTyped(event.target.value)} />}
      </Field>
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.data?.length === 0 && <p className="hint">{t("form.reference.none")}</p>}
      <ul className="start-found" aria-label={t("finder.results")}>
        {(text === "" ? [] : (found.data ?? [])).map((one) => (
          <li key={one.reference}>
            <button type="button" onClick={() => onChoose(one)}>
              <strong>{one.name}</strong> <span className="what">{named.get(one.organization ?? "")}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
