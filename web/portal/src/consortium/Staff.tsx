import type { Organization, Practitioner, PractitionerRole } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { dayAt, readDay, showDate, showTime } from "../calendar";
import { DUTY, duties } from "../duties";
import { Dialog } from "../Dialog";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useOnce } from "../once";
import { nameOf } from "../patients/person";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { endedAt, endedWith } from "./edits";
import { isMobile, numberOf, withNumber } from "./mobile";
import { holds } from "./tree";

const PAGE = "200";

/** Who works at an institution, as what and until when; whoever runs the platform adds posts and ends them. */
export function Staff({ organization, mayEdit }: { organization: Organization; mayEdit: boolean }) {
  const texts = useTexts();
  const { t, known, locale } = texts;
  const service = useService();
  const cache = useQueryClient();
  const key = ["staff", organization.id];
  const staff = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const params = { organization: `Organization/${organization.id}`, _count: PAGE };
      const roles = await service.all<PractitionerRole>("PractitionerRole", params, signal);
      const ids = [...new Set(roles.map((role) => role.practitioner?.reference?.split("/")[1] ?? ""))].filter(Boolean);
      const people = new Map<string, Practitioner>();
      for (let from = 0; from < ids.length; from += Number(PAGE)) {
        const some = ids.slice(from, from + Number(PAGE)).join(",");
        const { found } = await service.search<Practitioner>("Practitioner", { _id: some, _count: PAGE }, signal);
        for (const one of found) people.set(one.id ?? "", one);
      }
      return { roles, people };
    },
  });
  const [calling, setCalling] = useState<{ role: PractitionerRole; person: Practitioner; name: string }>();
  const [ending, setEnding] = useState<{ role: PractitionerRole; name: string }>();
  if (staff.isPending) return <Loading rows={5} />;
  if (staff.isError && staff.data === undefined) return <FailureNotice cause={staff.error} retry={() => void staff.refetch()} />;
  const now = Date.now();
  const nameFor = (role: PractitionerRole) => {
    const person = staff.data.people.get(role.practitioner?.reference?.split("/")[1] ?? "");
    return (person && nameOf(person)) ?? role.practitioner?.display ?? role.practitioner?.reference ?? "–";
  };
  const rows = staff.data.roles
    .map((role) => {
      const person = staff.data.people.get(role.practitioner?.reference?.split("/")[1] ?? "");
      return { role, person, number: numberOf(role, person), name: nameFor(role), isNow: role.active !== false && holds(role.period, now) };
    })
    .sort((left, right) => Number(right.isNow) - Number(left.isNow) || left.name.localeCompare(right.name, "zh-CN"));
  return (
    <section className="card">
      <h2>{t("staff.title", { count: rows.filter(({ isNow }) => isNow).length })}</h2>
      {rows.length === 0 && <Nothing title={t("staff.none")} />}
      <ul className="lines">
        {rows.map(({ role, person, number, name, isNow }) => (
          <li key={role.id} className={isNow ? "" : "is-over"}>
            <span>
              <strong>{name}</strong>
              {(role.code ?? [])
                .flatMap((concept) => concept.coding ?? [])
                .map((coding) => (
                  <span className="tag" key={coding.code}>
                    {known("duty", coding.code) ?? coding.display ?? coding.code}
                  </span>
                ))}
              <span className="what line-note">
                {role.period?.start !== undefined && t("timeline.from", { from: showDate(role.period.start, locale) })}{" "}
                {role.period?.end !== undefined && t("post.until", { date: [showDate(role.period.end, locale), showTime(role.period.end)].filter(Boolean).join(" ") })}
                {!isNow && ` ${t("staff.over")}`}
              </span>
            </span>
            {mayEdit && isNow && (
              <span className="staff-ways">
                {person !== undefined && (
                  <>
                    <span className={number === undefined ? "staff-number is-missing" : "staff-number"}>
                      <span aria-hidden>{number === undefined ? "○ " : "☎ "}</span>
                      {number ?? t("staff.number.none")}
                    </span>
                    <Button aria-label={`${t(number === undefined ? "staff.number.add" : "staff.number.change")} ${name}`} onClick={() => setCalling({ role, person, name })}>
                      {t(number === undefined ? "staff.number.add" : "staff.number.change")}
                    </Button>
                  </>
                )}
                <Button aria-label={`${t("staff.end")} ${name}`} onClick={() => setEnding({ role, name })}>
                  {t("staff.end")}
                </Button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {calling !== undefined && <SetNumber {...calling} onClose={() => setCalling(undefined)} onDone={() => void cache.invalidateQueries({ queryKey: key })} />}
      {ending !== undefined && <End {...ending} onClose={() => setEnding(undefined)} onDone={() => void cache.invalidateQueries({ queryKey: key })} />}
      {mayEdit && <AddPost organization={organization} onDone={() => void cache.invalidateQueries({ queryKey: key })} />}
    </section>
  );
}

/** Ends a post: this very moment, or with the day, and says which. */
function End(props: { role: PractitionerRole; name: string; onClose(): void; onDone(): void }) {
  const { role, name, onClose, onDone } = props;
  const { t } = useTexts();
  const service = useService();
  const end = useMutation({
    mutationFn: (when: "now" | "midnight") =>
      service.update(when === "now" ? endedAt(role, Date.now()) : endedWith(role, dayAt(Date.now()))),
    onSuccess: onClose,
    onSettled: onDone,
  });
  return (
    <Dialog title={t("staff.end")} onClose={onClose}>
      <p>{t("staff.end.help", { name })}</p>
      {end.isError && <FailureNotice cause={end.error} />}
      <div className="form-end">
        <Button size="large" onClick={onClose}>
          {t("register.cancel")}
        </Button>
        <Button size="large" disabled={end.isPending} onClick={() => end.mutate("midnight")}>
          {t("staff.end.midnight")}
        </Button>
        <Button size="large" type="primary" danger disabled={end.isPending} onClick={() => end.mutate("now")}>
          {t("staff.end.now")}
        </Button>
      </div>
    </Dialog>
  );
}

/** Enters the number over which somebody is called at night, changes it, or takes it away. */
function SetNumber(props: { role: PractitionerRole; person: Practitioner; name: string; onClose(): void; onDone(): void }) {
  const { role, person, name, onClose, onDone } = props;
  const { t } = useTexts();
  const service = useService();
  const [number, setNumber] = useState(numberOf(role, person) ?? "");
  const [isTried, setIsTried] = useState(false);
  const isWrong = number.trim() !== "" && !isMobile(number);
  const save = useMutation({
    mutationFn: (): Promise<unknown> => service.update(withNumber(role, person, number.trim())),
    onSuccess: () => {
      onDone();
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isWrong && !save.isPending) save.mutate();
  };
  return (
    <Dialog title={t("staff.number")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label={t("staff.number.of", { name })} help={t("staff.number.help")} error={isTried && isWrong ? t("staff.number.wrong") : undefined}>
          {(field) => <Input {...field} className="measure" type="tel" inputMode="tel" autoComplete="off" autoFocus value={number} onChange={(event) => setNumber(event.target.value)} />}
        </Field>
        {save.isError && <FailureNotice cause={save.error} unsaved={t("state.kept")} />}
        <div className="form-end">
          <Button onClick={onClose}>{t("task.ask.back")}</Button>
          <Working type="primary" htmlType="submit" busy={save.isPending ? t("state.saving") : undefined}>
            {t("staff.number.save")}
          </Working>
        </div>
      </form>
    </Dialog>
  );
}

/** Gives somebody a post: a second one is how a secondment begins, and its last day is how it ends. */
function AddPost({ organization, onDone }: { organization: Organization; onDone(): void }) {
  const { t, known } = useTexts();
  const service = useService();
  const { idOf, forget } = useOnce();
  const [typed, setTyped] = useState("");
  const [person, setPerson] = useState("");
  const [duty, setDuty] = useState("");
  const [from, setFrom] = useState(dayAt(Date.now()));
  const [until, setUntil] = useState("");
  const [isTried, setIsTried] = useState(false);
  const people = useQuery({
    queryKey: ["practitioners", typed.trim()],
    enabled: typed.trim() !== "",
    queryFn: ({ signal }) => service.search<Practitioner>("Practitioner", { name: typed.trim(), _count: "20" }, signal),
  });
  const start = readDay(from);
  const end = until.trim() === "" ? undefined : readDay(until);
  const isWrong = (until.trim() !== "" && end === undefined) || (start !== undefined && end !== undefined && end < start);
  const add = useMutation({
    mutationFn: () => {
      const role: PractitionerRole & { id: string } = {
        resourceType: "PractitionerRole",
        id: idOf([person, duty, from, until].join(" ")),
        active: true,
        period: { ...(start !== undefined && { start }), ...(end !== undefined && { end }) },
        practitioner: { reference: `Practitioner/${person}` },
        organization: { reference: `Organization/${organization.id}` },
        code: [{ coding: [{ system: DUTY, code: duty }] }],
      };
      return service.createOnce(role);
    },
    onSuccess: () => {
      forget();
      setTyped("");
      setPerson("");
      setIsTried(false);
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (person !== "" && duty !== "" && start !== undefined && !isWrong && !add.isPending) add.mutate();
  };
  const missing = (text: string) => (isTried && text === "" ? t("register.required") : undefined);
  return (
    <form className="add-post" onSubmit={submit} noValidate>
      <h3>{t("staff.add")}</h3>
      <div className="side-by-side">
        <Field label={t("staff.find")}>
          {(field) => <Input {...field} value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />}
        </Field>
        <Field label={t("staff.person")} error={missing(person)}>
          {({ id: own }) => (
            <select id={own} className="select" value={person} onChange={(event) => setPerson(event.target.value)}>
              <option value="">{t("consents.choose")}</option>
              {(people.data?.found ?? []).map((one) => (
                <option key={one.id} value={one.id}>
                  {[nameOf(one), one.identifier?.[0]?.value].filter(Boolean).join(" · ")}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("staff.duty")} error={missing(duty)}>
          {({ id: own }) => (
            <select id={own} className="select" value={duty} onChange={(event) => setDuty(event.target.value)}>
              <option value="">{t("consents.choose")}</option>
              {duties.map((one) => (
                <option key={one} value={one}>
                  {known("duty", one)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("staff.from")} error={isTried && start === undefined ? t("register.birthDate.wrong") : undefined}>
          {(field) => <Input {...field} value={from} onChange={(event) => setFrom(event.target.value)} />}
        </Field>
        <Field
          label={t("staff.until")}
          help={t("staff.until.help")}
          error={isTried && isWrong ? t("staff.until.wrong") : undefined}
        >
          {(field) => <Input {...field} value={until} onChange={(event) => setUntil(event.target.value)} />}
        </Field>
      </div>
      {add.isError && <FailureNotice cause={add.error} />}
      <div className="form-end">
        <Working type="primary" htmlType="submit" busy={add.isPending ? t("state.saving") : undefined}>
          {t("staff.submit")}
        </Working>
      </div>
    </form>
  );
}
