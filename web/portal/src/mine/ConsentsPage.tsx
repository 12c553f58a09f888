import type { Consent, Organization, RelatedPerson } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { useState } from "react";
import { Link } from "wouter";
import { showDate } from "../calendar";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useOnce } from "../once";
import { nameOf } from "../patients/person";
import { about } from "../patients/reading";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { closing, decisionOf } from "./consent";
import "./mine.css";

/** What a person decided about who may see their record, and a way to decide otherwise. */
export default function ConsentsPage({ id }: { id: string }) {
  const { t, locale } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  // Whoever acts for somebody sees what was decided; deciding stays with the person.
  const isOwn = useSession().patients?.own.includes(id) ?? false;
  const key = [...about(id), "consents"];
  const { idOf, forget } = useOnce();
  const [whom, setWhom] = useState("");
  const consents = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => service.all<Consent>("Consent", { patient: id, _sort: "-date", _count: "50" }, signal),
  });
  const institutions = useQuery({
    queryKey: ["consents", "institutions"],
    staleTime: 600_000,
    queryFn: ({ signal }) =>
      service.all<Organization>("Organization", { active: "true", type: "prov", _elements: "name", _count: "100" }, signal),
  });
  // Who acts for somebody is shut out like an institution.
  const persons = useQuery({
    queryKey: [...about(id), "related"],
    enabled: isOwn,
    queryFn: ({ signal }) => service.all<RelatedPerson>("RelatedPerson", { patient: id, _count: "50" }, signal),
  });
  const close = useMutation({
    mutationFn: () => service.createOnce(closing(idOf(whom), id, whom, new Date().toISOString())),
    onSuccess: () => {
      forget();
      setWhom("");
      void cache.invalidateQueries({ queryKey: key });
    },
  });
  const withdraw = useMutation({
    mutationFn: (consent: Consent) => service.update({ ...consent, status: "inactive" }),
    onSettled: () => void cache.invalidateQueries({ queryKey: key }),
  });
  const related = (persons.data ?? []).map((one): [string, string] => {
    const name = nameOf(one) ?? t("consents.person");
    const relation = one.relationship?.[0]?.text ?? one.relationship?.[0]?.coding?.[0]?.display;
    return [`RelatedPerson/${one.id}`, relation === undefined ? name : `${name} (${relation})`];
  });
  const places = (institutions.data ?? [])
    .map((one): [string, string] => [`Organization/${one.id}`, one.name ?? ""])
    .sort(([, left], [, right]) => left.localeCompare(right, locale));
  const names = new Map([...places, ...related]);
  const decisions = (consents.data ?? []).map(decisionOf).filter(({ consent }) => consent.status === "active");
  return (
    <section className="mine">
      <p>
        <Link href="/mine">{t("mine.back")}</Link>
      </p>
      <div className="card">
        <h1>{t("consents.title")}</h1>
        <p className="hint">{t("consents.help")}</p>
        {consents.isPending && <Loading rows={3} />}
        {consents.isError && <FailureNotice cause={consents.error} retry={() => void consents.refetch()} />}
        {withdraw.isError && <FailureNotice cause={withdraw.error} />}
        {consents.isSuccess && decisions.length === 0 && <Nothing title={t("consents.none")} />}
        <ul className="lines">
          {decisions.map(({ consent, isDenial, actors }) => (
            <li key={consent.id}>
              <span>
                <strong>
                  {t(isDenial ? "consents.denied" : "consents.permitted", {
                    who: actors.map((actor) => names.get(actor) ?? actor).join(" · ") || t("consents.everyone"),
                  })}
                </strong>
                {consent.dateTime !== undefined && <span className="what line-note">{showDate(consent.dateTime, locale)}</span>}
              </span>
              {isDenial && isOwn && <Button onClick={() => withdraw.mutate(consent)}>{t("consents.withdraw")}</Button>}
            </li>
          ))}
        </ul>
      </div>
      {isOwn && (
        <form
          className="card consent-form"
          onSubmit={(event) => {
            event.preventDefault();
            if (whom !== "" && !close.isPending) close.mutate();
          }}
        >
          <h2>{t("consents.close")}</h2>
          <p className="hint">{t("consents.close.help")}</p>
          {institutions.isError && <FailureNotice cause={institutions.error} retry={() => void institutions.refetch()} />}
          <Field label={t("consents.institution")}>
            {({ id: own }) => (
              <select id={own} className="select" value={whom} onChange={(event) => setWhom(event.target.value)}>
                <option value="">{t("consents.choose")}</option>
                {related.length > 0 && (
                  <optgroup label={t("consents.persons")}>
                    {related.map(([reference, name]) => (
                      <option key={reference} value={reference}>
                        {name}
                      </option>
                    ))}
                  </optgroup>
                )}
                <optgroup label={t("consents.institutions")}>
                  {places.map(([reference, name]) => (
                    <option key={reference} value={reference}>
                      {name}
                    </option>
                  ))}
                </optgroup>
              </select>
            )}
          </Field>
          {close.isError && <FailureNotice cause={close.error} />}
          <Working type="primary" htmlType="submit" block disabled={whom === ""} busy={close.isPending ? t("state.saving") : undefined}>
            {t("consents.submit")}
          </Working>
        </form>
      )}
    </section>
  );
}
