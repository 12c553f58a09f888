import type { Patient, PractitionerRole, Protocol, Resource } from "@qingshan/client";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Input } from "antd";
import { Suspense, useCallback, useEffect, useMemo, useRef, useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { postOf } from "../duties";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { part } from "../part";
import { questions } from "../patients/find";
import { nameOf } from "../patients/person";
import { useShown } from "../patients/show";
import { namesOf } from "../work/actors";
import { useRuns } from "../runs/reading";
import { conceptIn, say } from "../runs/words";
import { useService, useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import { Suggestions } from "../suggestions/Suggestions";
import { reasonOf, useSuggestions, type Suggested } from "../suggestions/suggestions";
import { useUnsaved } from "../unsaved";
import { Working } from "../Working";
import { useInstitutions } from "./Figures";
import type { StartHandle } from "./StartForm";
import { makesFocus, missingRoles, ownRole, startsFor, type Role } from "./start";

const StartForm = part(async () => ({ default: (await import("./StartForm")).StartForm }));

/** Starts a run by hand: for whom, how urgent, and who takes part. A suggestion of the record may say how and why. */
export default function StartRun(props: { protocol: Protocol; patient: string | undefined; suggestion: string | undefined }) {
  const { protocol, patient: given, suggestion } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const session = useSession();
  const [, go] = useLocation();
  const post = postOf(session);
  const starts = startsFor(protocol, post?.duties ?? []);
  const [way, setWay] = useState(starts.length === 1 ? starts[0]?.code : undefined);
  const start = starts.length === 1 ? starts[0] : starts.find((one) => one.code === way);
  const roles = (protocol.role ?? []).filter((role) => role.party !== "patient" && role.party !== "system");
  const mine = ownRole(roles, post?.duties ?? []);
  const [patient, setPatient] = useState<Patient>();
  const [chosenClass, setClass] = useState<string>();
  const klass = chosenClass ?? start?.class;
  const [focus, setFocus] = useState<string>();
  const [taken, setTaken] = useState<Suggested>();
  const { suggested } = useSuggestions(patient?.id, protocol.code);
  const take = useCallback((one: Suggested) => {
    setTaken(one);
    setWay(one.start?.code);
    setClass(one.class?.code);
  }, []);
  const named = taken === undefined ? suggested.find(({ rule }) => rule === suggestion) : undefined;
  useEffect(() => {
    if (named !== undefined) take(named);
    // Only the one that the address names is taken up by itself, and only once.
  }, [named, take]);
  const [bound, setBound] = useState<Record<string, string>>(() => {
    if (mine === undefined || post === undefined) return {};
    return { [mine.code]: mine.party === "person" ? `PractitionerRole/${post.role}` : `Organization/${post.organization}` };
  });
  const [isAsked, setIsAsked] = useState(false);
  // Chosen once, so that a form that is sent twice starts one run.
  const id = useMemo(() => crypto.randomUUID(), []);
  const classes = protocol.class ?? [];
  const missing = missingRoles(roles, bound, focus !== undefined);
  // Who is asked is who has the place: the first institution that has to be named and is not one's own.
  const asked = roles.find((role) => role.party === "institution" && role !== mine && !role.optional);
  const around = {
    patient: patient?.id === undefined ? undefined : `Patient/${patient.id}`,
    request: focus?.startsWith("ServiceRequest/") ? focus : undefined,
    organization: "",
    priority: classes.find(({ code }) => code === klass)?.priority,
    onDepartment: ({ organization }: { organization: string }) => {
      if (asked !== undefined) setBound((old) => ({ ...old, [asked.code]: organization }));
    },
  };
  const form = useRef<StartHandle>(undefined);
  const takeForm = useCallback((handle: StartHandle | undefined) => {
    form.current = handle;
  }, []);
  const isComplete = patient !== undefined && start !== undefined && missing.length === 0 && (classes.length === 0 || klass !== undefined || focus !== undefined);
  const begin = useMutation({
    mutationFn: () =>
      runs.start({
        id,
        protocol: protocol.code,
        ...(start?.code !== undefined && { start: start.code }),
        patient: `Patient/${patient?.id ?? ""}`,
        ...(focus !== undefined && { focus }),
        ...(klass !== undefined && { class: klass }),
        ...(form.current !== undefined && { response: form.current.response() }),
        roles: Object.fromEntries(Object.entries(bound).filter(([, reference]) => reference !== "")),
      }),
    onSuccess: (run) => go(`/runs/${encodeURIComponent(run.id)}`),
  });
  useUnsaved(patient !== undefined && !begin.isSuccess);
  const send = (event: FormEvent) => {
    event.preventDefault();
    setIsAsked(true);
    if (!isComplete || begin.isPending) return;
    if (start?.form !== undefined && (form.current === undefined || !form.current.check())) return;
    begin.mutate();
  };
  // Who may be left open is out of the way until somebody wants to say.
  const isFirst = (role: Role) => missingRoles([role], {}, focus !== undefined).length > 0 || role === mine;
  const field = (role: Role) => (
    <RoleField
      key={role.code}
      role={role}
      value={bound[role.code] ?? ""}
      onChange={(reference) => setBound((old) => ({ ...old, [role.code]: reference }))}
      error={required(missing.includes(role.code))}
    />
  );
  const required = (isMissing: boolean) => (isAsked && isMissing ? t("signIn.required") : undefined);
  return (
    <form className="card start-run" onSubmit={send}>
      <h2>{say(locale, start?.title) || t("protocols.view.start")}</h2>
      {starts.length > 1 && (
        <Choice
          label={t("start.way")}
          options={starts.map((one) => ({ value: one.code ?? "", label: say(locale, one.title) || (one.code ?? "") }))}
          value={way}
          onChange={setWay}
          {...(isAsked && way === undefined && { error: t("signIn.required") })}
        />
      )}
      <PatientField given={given} patient={patient} onChoose={setPatient} error={required(patient === undefined)} />
      {protocol.focus !== undefined && !makesFocus(protocol, start) && patient?.id !== undefined && (
        <FocusField type={protocol.focus} patient={patient.id} value={focus} onChange={setFocus} />
      )}
      {patient?.id !== undefined && focus === undefined && (
        <Suggestions patient={patient.id} protocol={protocol.code} onTake={take} taken={taken?.rule} />
      )}
      {classes.length > 0 && (
        <Choice
          label={t("work.class")}
          options={classes.map((one) => ({ value: one.code, label: say(locale, one.title) }))}
          value={klass}
          onChange={setClass}
          {...(isAsked && klass === undefined && focus === undefined && { error: t("signIn.required") })}
        />
      )}
      {roles.filter(isFirst).map(field)}
      {!roles.every(isFirst) && (
        <details className="start-more">
          <summary>{t("start.more")}</summary>
          {roles.filter((role) => !isFirst(role)).map(field)}
        </details>
      )}
      {start?.form !== undefined && patient?.id !== undefined && (
        <Suspense fallback={<Loading rows={6} />}>
          <StartForm
            // Whose record it is filled in from is part of what it is.
            key={`${start.form} ${patient.id} ${focus ?? ""} ${taken?.rule ?? ""}`}
            code={start.form}
            given={taken?.into === undefined ? undefined : { [taken.into]: reasonOf(texts, taken) }}
            protocol={protocol}
            patient={patient.id}
            focus={focus}
            places={around}
            onHandle={takeForm}
            onDone={() => undefined}
          />
        </Suspense>
      )}
      {begin.isError && <FailureNotice cause={begin.error} unsaved={t("start.unsaved")} />}
      <div className="form-end">
        <Working type="primary" htmlType="submit" busy={begin.isPending ? t("state.saving") : undefined}>
          {t("start.submit")}
        </Working>
      </div>
    </form>
  );
}

/** Whom the run is for: named by the address, or found here. */
export function PatientField(props: { given: string | undefined; patient: Patient | undefined; onChoose(patient: Patient | undefined): void; error: string | undefined }) {
  const { given, patient, onChoose, error } = props;
  const { t } = useTexts();
  const service = useService();
  const [typed, setTyped] = useState("");
  const asked = questions(typed);
  const found = useQuery({
    queryKey: ["start", "patients", given ?? "", typed.trim()],
    enabled: patient === undefined && (asked.length > 0 || (given !== undefined && typed === "")),
    queryFn: async ({ signal }) => {
      if (asked.length === 0 && given !== undefined) {
        const one = await service.read<Patient>("Patient", given, signal);
        onChoose(one);
        return [one];
      }
      const pages = await Promise.all(
        asked.map((question) =>
          service.search<Patient>("Patient", { ...question, _count: "8", _elements: "name,gender,birthDate,deceased" }, signal),
        ),
      );
      return [...new Map(pages.flatMap((page) => page.found).map((one) => [one.id, one])).values()];
    },
  });
  if (patient !== undefined) {
    return (
      <div className="field">
        <span className="what">{t("start.patient")}</span>
        <p className="start-patient">
          <strong>{nameOf(patient) ?? t("patient.nameless")}</strong> <SexAndAge patient={patient} />
          <button type="button" className="inline-button" onClick={() => onChoose(undefined)}>
            {t("start.patient.other")}
          </button>
        </p>
      </div>
    );
  }
  return (
    <>
      <Field label={t("start.patient")} error={error} help={typed.trim() !== "" && asked.length === 0 ? t("finder.short") : undefined}>
        {(field) => (
          <Input {...field} type="search" autoComplete="off" placeholder={t("finder.placeholder")} value={typed} onChange={(event) => setTyped(event.target.value)} />
        )}
      </Field>
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.data?.length === 0 && <p className="hint">{t("finder.empty", { typed: typed.trim() })}</p>}
      <ul className="start-found" aria-label={t("finder.results")}>
        {(found.data ?? []).map((one) => (
          <li key={one.id}>
            <button type="button" onClick={() => onChoose(one)}>
              <strong>{nameOf(one) ?? t("patient.nameless")}</strong> <SexAndAge patient={one} />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function SexAndAge({ patient }: { patient: Patient }) {
  const { sexAndAge, birthDate } = useShown(patient);
  return (
    <span className="what">
      {sexAndAge} · {birthDate}
    </span>
  );
}

/** What the run is about besides, among what the record holds of that kind. */
function FocusField(props: { type: string; patient: string; value: string | undefined; onChange(value: string | undefined): void }) {
  const { type, patient, value, onChange } = props;
  const { t, locale, known } = useTexts();
  const service = useService();
  const found = useQuery({
    queryKey: ["start", "focus", type, patient],
    queryFn: ({ signal }) => service.search<Resource>(type, { patient, _count: "20", _sort: "-_lastUpdated" }, signal),
  });
  const titleOf = (resource: Resource & { code?: Parameters<typeof conceptIn>[1]; authoredOn?: string }) =>
    [conceptIn(locale, resource.code) ?? resource.id, resource.authoredOn?.slice(0, 10)].filter(Boolean).join(" · ");
  return (
    <Field label={t("start.focus", { kind: known("kind", type) ?? type })} help={t("start.focus.help")}>
      {(field) => (
        <select id={field.id} className="select" value={value ?? ""} onChange={(event) => onChange(event.target.value || undefined)}>
          <option value="">{t("start.none")}</option>
          {(found.data?.found ?? []).map((resource) => (
            <option key={resource.id} value={`${type}/${resource.id}`}>
              {titleOf(resource)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Who takes a role. */
function RoleField(props: { role: Role; value: string; onChange(reference: string): void; error: string | undefined }) {
  const { role, value, onChange, error } = props;
  const { t, locale } = useTexts();
  const institutions = useInstitutions();
  const others = useOthers(role.party);
  const options =
    role.party === "institution"
      ? (institutions.data ?? []).map((one) => ({ value: `Organization/${one.id}`, label: one.name ?? "" }))
      : (others.data ?? []);
  const help = role.otherwise !== undefined || role.optional ? t("start.optional") : undefined;
  return (
    <Field label={say(locale, role.title)} help={help} error={error}>
      {(field) => (
        <select id={field.id} aria-invalid={field["aria-invalid"]} className="select" value={value} onChange={(event) => onChange(event.target.value)}>
          <option value="">{t("start.none")}</option>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** People of the own institution, or teams. */
function useOthers(party: Role["party"]) {
  const service = useService();
  const post = postOf(useSession());
  return useQuery({
    queryKey: ["start", "parties", party, post?.organization ?? ""],
    enabled: party === "team" || (party === "person" && post !== undefined),
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      if (party === "team") {
        const teams = await service.all<Resource & { name?: string }>("CareTeam", { status: "active", _elements: "name" }, signal);
        return teams.map((team) => ({ value: `CareTeam/${team.id}`, label: team.name ?? team.id ?? "" }));
      }
      const params = { organization: `Organization/${post?.organization ?? ""}`, active: "true", _count: "200" };
      const posts = await service.all<PractitionerRole>("PractitionerRole", params, signal);
      const references = posts.map((one) => ({ reference: `PractitionerRole/${one.id}` }));
      const names = await namesOf(service, references, signal);
      return references.map(({ reference }) => ({ value: reference, label: names.get(reference) ?? reference }));
    },
  });
}
