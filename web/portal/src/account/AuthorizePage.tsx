import type { AppRequest, Patient as FoundPatient } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { useSearchParams } from "wouter";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useDoor, useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";

/** Where somebody lets an app in, or does not, and says for which patient. */
export default function AuthorizePage() {
  const { t } = useTexts();
  const { account } = useDoor();
  const session = useSession();
  const [address] = useSearchParams();
  const id = address.get("request");
  const request = useQuery({
    queryKey: ["authorize", id],
    queryFn: () => account.request(id ?? ""),
    enabled: id !== null,
    staleTime: Infinity,
  });
  const [patient, setPatient] = useState<string>();
  const [cause, setCause] = useState<unknown>();
  if (id === null) return <Nothing title={t("authorize.unknown")} help={t("authorize.unknown.help")} />;
  if (request.isPending) return <Loading />;
  if (request.isError) return <FailureNotice cause={request.error} />;
  const asked = request.data;
  const answer = (allow: boolean) => {
    setCause(undefined);
    account.answer(id, { allow, ...(patient !== undefined && { patient }) }, session.csrf).then((to) => location.assign(to), setCause);
  };
  return (
    <section className="card authorize">
      <h1>{t("authorize.title", { app: asked.name })}</h1>
      <p className="hint">{t("authorize.help")}</p>
      <ul>
        {meanings(asked).map((meaning) => (
          <li key={meaning}>{t(meaning)}</li>
        ))}
      </ul>
      {asked.needsPatient && <Patient offered={asked.patients} chosen={patient} choose={setPatient} />}
      {cause !== undefined && <FailureNotice cause={cause} />}
      <p className="actions">
        <Button onClick={() => answer(false)}>{t("authorize.deny")}</Button>
        <Button type="primary" disabled={asked.needsPatient && patient === undefined} onClick={() => answer(true)}>
          {t("authorize.allow")}
        </Button>
      </p>
    </section>
  );
}

type Meaning = `authorize.${"readPatient" | "writePatient" | "readUser" | "writeUser" | "identity" | "offline"}`;

/** What an app asks for, in the few words that matter to whoever is asked. */
function meanings({ scopes }: AppRequest): Meaning[] {
  const found = new Set<Meaning>();
  for (const scope of scopes) {
    const [level, rights] = [scope.split("/")[0], scope.split(".").at(-1) ?? ""];
    if (level === "patient" || level === "user") {
      const writes = /[cud]/.test(rights === "read" ? "" : rights) || rights === "*";
      const kind = `${writes ? "write" : "read"}${level === "patient" ? "Patient" : "User"}` as const;
      found.add(`authorize.${kind}`);
    } else if (scope === "openid" || scope === "fhirUser" || scope === "profile") found.add("authorize.identity");
    else if (scope === "offline_access") found.add("authorize.offline");
  }
  return [...found];
}

/** Whose record the app is given: one of those who are offered, or whoever is found. */
function Patient(props: { offered: string[] | undefined; chosen: string | undefined; choose(id: string): void }) {
  const { offered, chosen, choose } = props;
  const { t } = useTexts();
  const service = useService();
  const [typed, setTyped] = useState("");
  const [sought, setSought] = useState<string>();
  const question: Record<string, string> | undefined =
    offered !== undefined ? { _id: offered.join(",") } : sought !== undefined ? { name: sought } : undefined;
  const found = useQuery({
    queryKey: ["authorize", "patients", question],
    queryFn: ({ signal }) =>
      service.search<FoundPatient>("Patient", { ...question, _count: "20", _elements: "name,gender,birthDate" }, signal),
    enabled: question !== undefined,
  });
  const seek = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim() !== "") setSought(typed.trim());
  };
  return (
    <fieldset className="authorize-patient">
      <legend>{t("authorize.patient")}</legend>
      {offered === undefined && (
        <form onSubmit={seek}>
          <Input
            type="search"
            autoComplete="off"
            aria-label={t("authorize.find")}
            placeholder={t("authorize.find")}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </form>
      )}
      {found.isError && <FailureNotice cause={found.error} />}
      {found.data?.found.length === 0 && <p className="hint">{t("authorize.nobody")}</p>}
      {found.data?.found.map((patient) => (
        <label key={patient.id}>
          <input
            type="radio"
            name="patient"
            checked={patient.id === chosen}
            onChange={() => patient.id !== undefined && choose(patient.id)}
          />{" "}
          {nameOf(patient) ?? t("authorize.nameless")} <span className="hint">{patient.birthDate}</span>
        </label>
      ))}
    </fieldset>
  );
}
