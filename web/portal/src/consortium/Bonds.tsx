import type { Organization, OrganizationAffiliation } from "@qingshan/client";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { dayAt, readDay, showDate } from "../calendar";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { useOnce } from "../once";
import { useService } from "../session";
import { nameIn, NotChanged, useChange, type Register } from "./Changed";
import { bondOf, bondsOf, endedOn, managedBy, type Bond, type NewBond } from "./edits";
import { AFFILIATION, codesOf, idOf, isAlliance, isInstitution } from "./tree";

/** With whom an institution belongs together: its consortium, who manages whom, and the alliances. Each may end. */
export function Bonds({ institution, register, mayEdit }: { institution: Organization; register: Register; mayEdit: boolean }) {
  const { t, locale } = useTexts();
  const [isAdding, setIsAdding] = useState(false);
  const [ending, setEnding] = useState<string>();
  const bonds = bondsOf(institution.id ?? "", register.affiliations, Date.now());
  const ended = bonds.find((bond) => bond.tie.id === ending);
  if (bonds.length === 0 && !mayEdit) return null;
  const words = (bond: Bond) => {
    const name = nameIn(register, bond.other);
    if (bond.kind === "direct-management") return t(bond.isAbove ? "bond.manages" : "bond.managed", { name });
    if (bond.kind === "member") return t(bond.isLead ? "bond.leads" : "bond.member", { name });
    return t(bond.isLead ? "bond.alliance.leads" : "bond.alliance", { name });
  };
  return (
    <div className="institution-part">
      <div className="institution-head">
        <h3>{t("bond.title")}</h3>
        {mayEdit && <Button onClick={() => setIsAdding(true)}>{t("bond.add")}</Button>}
      </div>
      <ul className="lines" data-part="bonds">
        {bonds.map((bond) => (
          <li key={bond.tie.id} className={bond.isNow ? "" : "is-over"}>
            <span>
              {words(bond)}
              <span className="what line-note">
                {bond.tie.period?.start !== undefined && t("timeline.from", { from: showDate(bond.tie.period.start, locale) })}{" "}
                {bond.tie.period?.end !== undefined && t("bond.until", { date: showDate(bond.tie.period.end, locale) })}
                {!bond.isNow && ` ${t(bond.isOver ? "bond.over" : "bond.ahead")}`}
              </span>
            </span>
            {mayEdit && !bond.isOver && !bond.isLead && bond.kind !== "member" && (
              <Button aria-label={`${t("bond.end")} ${words(bond)}`} onClick={() => setEnding(bond.tie.id)}>
                {t("bond.end")}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {isAdding && <Add institution={institution} register={register} onClose={() => setIsAdding(false)} />}
      {ended !== undefined && <End bond={ended} words={words(ended)} onClose={() => setEnding(undefined)} />}
    </div>
  );
}

/** Ends a bond with a last day, today unless another is given. */
function End({ bond, words, onClose }: { bond: Bond; words: string; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const [last, setLast] = useState(dayAt(Date.now()));
  const [isTried, setIsTried] = useState(false);
  const day = readDay(last);
  const start = bond.tie.period?.start?.slice(0, 10);
  const isWrong = day === undefined || (start !== undefined && day < start);
  const save = useChange(() => service.update(endedOn(bond.tie, day ?? "")), onClose);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isWrong && !save.isPending) save.mutate();
  };
  return (
    <Dialog title={t("bond.end")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <p>{words}</p>
        <Field label={t("bond.last")} help={t("bond.last.help")} error={isTried && isWrong ? t("staff.until.wrong") : undefined}>
          {(field) => <Input {...field} className="measure" autoFocus value={last} onChange={(event) => setLast(event.target.value)} />}
        </Field>
        {save.isError && <NotChanged cause={save.error} />}
        <DialogEnd onClose={onClose} isBusy={save.isPending}>
          {t("bond.end")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}

type Way = "managed" | "manages" | "alliance";

/** Ties an institution to another, or takes it into an alliance, from a day on and perhaps until one. */
function Add({ institution, register, onClose }: { institution: Organization; register: Register; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const { idOf: once, forget } = useOnce();
  const [way, setWay] = useState<Way>("managed");
  const [other, setOther] = useState("");
  const [from, setFrom] = useState(dayAt(Date.now()));
  const [until, setUntil] = useState("");
  const [isTried, setIsTried] = useState(false);
  const own = institution.id ?? "";
  const start = readDay(from);
  const end = until.trim() === "" ? undefined : readDay(until);
  const isWrong = (until.trim() !== "" && end === undefined) || (start !== undefined && end !== undefined && end < start);
  const options = optionsOf(way, own, register);
  const save = useChange(
    () => {
      const period = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
      const [bond, alike] = newBond(way, own, other, register, t(way === "alliance" ? "bond.kind.alliance" : "bond.kind.managed"));
      return service.createOnce(bondOf(institution, { ...bond, id: once([way, other, from, until].join(" ")), period }, alike));
    },
    () => {
      forget();
      onClose();
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (other !== "" && start !== undefined && !isWrong && !save.isPending) save.mutate();
  };
  const ways: readonly Way[] = ["managed", "manages", "alliance"];
  return (
    <Dialog title={t("bond.add")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Choice
          label={t("bond.way")}
          options={ways.map((value) => ({ value, label: t(`bond.way.${value}`) }))}
          value={way}
          onChange={(value) => {
            setWay(value);
            setOther("");
          }}
        />
        <Field label={t(way === "alliance" ? "bond.which.alliance" : "bond.which")} help={options.length === 0 ? t("bond.which.none") : undefined} error={isTried && other === "" ? t("register.required") : undefined}>
          {({ id }) => (
            <select id={id} className="select" value={other} onChange={(event) => setOther(event.target.value)}>
              <option value="">{t("consents.choose")}</option>
              {options.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div className="side-by-side">
          <Field label={t("staff.from")} error={isTried && start === undefined ? t("register.birthDate.wrong") : undefined}>
            {(field) => <Input {...field} value={from} onChange={(event) => setFrom(event.target.value)} />}
          </Field>
          <Field label={t("staff.until")} help={t("bond.until.help")} error={isTried && isWrong ? t("staff.until.wrong") : undefined}>
            {(field) => <Input {...field} value={until} onChange={(event) => setUntil(event.target.value)} />}
          </Field>
        </div>
        {save.isError && <NotChanged cause={save.error} />}
        <DialogEnd onClose={onClose} isBusy={save.isPending}>
          {t("bond.add.submit")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}

/** What an institution can be tied to: nobody twice, and nobody who would so manage themselves. */
function optionsOf(way: Way, own: string, { organizations, affiliations }: Register): Organization[] {
  const now = Date.now();
  const open = organizations.filter((one) => one.active !== false);
  const bonds = bondsOf(own, affiliations, now).filter((bond) => !bond.isOver);
  if (way === "alliance") {
    const within = new Set(bonds.filter((bond) => bond.kind === "specialty-alliance").map((bond) => bond.other));
    return open.filter((one) => isAlliance(one) && !within.has(one.id ?? ""));
  }
  const tied = new Set(bonds.filter((bond) => bond.kind === "direct-management").map((bond) => bond.other));
  const below = managedBy(own, affiliations, now);
  const fits = (id: string) => !tied.has(id) && (way === "managed" ? !below.has(id) : id !== own && !managedBy(id, affiliations, now).has(own));
  return open.filter((one) => isInstitution(one) && fits(one.id ?? ""));
}

/** The ends of a new bond; that of an alliance is led by whoever led it so far. */
function newBond(way: Way, own: string, other: string, { affiliations }: Register, display: string): [Omit<NewBond, "id" | "period">, OrganizationAffiliation | undefined] {
  if (way !== "alliance") {
    const [above, below] = way === "managed" ? [other, own] : [own, other];
    return [{ kind: "direct-management", above, below, display }, undefined];
  }
  const isOf = (tie: OrganizationAffiliation) => tie.network?.some((one) => idOf(one) === other) ?? false;
  const alike = affiliations.filter(isOf).at(-1);
  const lead = affiliations.find((tie) => codesOf(tie.code, AFFILIATION).includes("lead"));
  const above = idOf(alike?.organization) || idOf(lead?.participatingOrganization) || own;
  return [{ kind: "specialty-alliance", above, below: own, alliance: other, display }, alike];
}
