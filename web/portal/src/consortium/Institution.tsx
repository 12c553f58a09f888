import type { Organization } from "@qingshan/client";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { useService } from "../session";
import { useUnsaved } from "../unsaved";
import { Bonds } from "./Bonds";
import { NotChanged, useChange, type Register } from "./Changed";
import { Departments } from "./Departments";
import { addressOf, phoneOf, withDetails } from "./edits";
import { isDepartment, isInstitution, levelOf, levels, type Level } from "./tree";

/** An institution, or one of its departments: what it is called, how it is reached, and with whom it belongs together. */
export function Institution({ chosen, register, mayEdit }: { chosen: Organization; register: Register; mayEdit: boolean }) {
  const { t, known } = useTexts();
  const [isChanging, setIsChanging] = useState(false);
  const [phone, address] = [phoneOf(chosen), addressOf(chosen)];
  return (
    <section className="card institution">
      <div className="institution-head">
        <h2>{chosen.name}</h2>
        {mayEdit && !isDepartment(chosen) && <Button onClick={() => setIsChanging(true)}>{t("consortium.change")}</Button>}
      </div>
      <p className="hint">
        {[known("level", levelOf(chosen)), ...(chosen.alias ?? []), chosen.identifier?.[0]?.value].filter(Boolean).join(" · ")}
      </p>
      {(phone !== "" || address !== "") && (
        <dl className="institution-ways">
          {phone !== "" && (
            <div>
              <dt>{t("consortium.phone")}</dt>
              <dd>{phone}</dd>
            </div>
          )}
          {address !== "" && (
            <div>
              <dt>{t("consortium.address")}</dt>
              <dd>{address}</dd>
            </div>
          )}
        </dl>
      )}
      {isInstitution(chosen) && (
        <>
          <Departments institution={chosen} register={register} mayEdit={mayEdit} />
          <Bonds institution={chosen} register={register} mayEdit={mayEdit} />
        </>
      )}
      {isChanging && <Change chosen={chosen} onClose={() => setIsChanging(false)} />}
    </section>
  );
}

/** Changes what an institution is called, its level and how it is reached. */
function Change({ chosen, onClose }: { chosen: Organization; onClose(): void }) {
  const { t, known } = useTexts();
  const service = useService();
  // Only what was touched: what somebody else changes meanwhile is shown as it then is, and is not written back.
  const [typed, setTyped] = useState<{ name?: string; phone?: string; address?: string; level?: Level }>({});
  const [isTried, setIsTried] = useState(false);
  const isTouched = Object.keys(typed).length > 0;
  useUnsaved(isTouched);
  const name = typed.name ?? chosen.name ?? "";
  const { level, ...texts } = typed;
  const save = useChange(
    () => service.update(withDetails(chosen, { ...texts, ...(level !== undefined && { level: { code: level, display: known("level", level) ?? level } }) })),
    onClose,
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isTouched) onClose();
    else if (name.trim() !== "" && !save.isPending) save.mutate();
  };
  return (
    <Dialog title={t("consortium.change")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label={t("consortium.name")} error={isTried && name.trim() === "" ? t("register.required") : undefined}>
          {(field) => <Input {...field} autoFocus value={name} onChange={(event) => setTyped({ ...typed, name: event.target.value })} />}
        </Field>
        <Field label={t("consortium.phone")}>
          {(field) => (
            <Input {...field} className="measure" type="tel" autoComplete="off" value={typed.phone ?? phoneOf(chosen)} onChange={(event) => setTyped({ ...typed, phone: event.target.value })} />
          )}
        </Field>
        <Field label={t("consortium.address")}>
          {(field) => <Input {...field} autoComplete="off" value={typed.address ?? addressOf(chosen)} onChange={(event) => setTyped({ ...typed, address: event.target.value })} />}
        </Field>
        {isInstitution(chosen) && (
          <Choice
            label={t("consortium.level")}
            options={levels.map((value) => ({ value, label: known("level", value) ?? value }))}
            value={typed.level ?? levelOf(chosen)}
            onChange={(value) => setTyped({ ...typed, level: value })}
          />
        )}
        {save.isError && <NotChanged cause={save.error} />}
        <DialogEnd onClose={onClose} isBusy={save.isPending}>
          {t("consortium.save")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}
