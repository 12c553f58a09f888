import type { HealthcareService, Organization, PractitionerRole } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Button, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Link } from "wouter";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useOnce } from "../once";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { useUnsaved } from "../unsaved";
import { Working } from "../Working";
import { NotChanged, useChange, type Register } from "./Changed";
import { departmentOf, departmentsOf, serviceOf } from "./edits";
import { holds } from "./tree";

type Doing = { kind: "add" } | { kind: "rename" | "close" | "open"; department: Organization };

/** The departments of an institution. Whoever runs the platform adds, renames, closes and reopens them; none is deleted. */
export function Departments({ institution, register, mayEdit }: { institution: Organization; register: Register; mayEdit: boolean }) {
  const { t } = useTexts();
  const [doing, setDoing] = useState<Doing>();
  const all = departmentsOf(institution, register.organizations);
  // Those that were closed are shown to whoever may open them again.
  const shown = all.filter((one) => mayEdit || one.active !== false);
  const current = doing?.kind === "add" || doing === undefined ? undefined : all.find((one) => one.id === doing.department.id);
  if (shown.length === 0 && !mayEdit) return null;
  return (
    <div className="institution-part">
      <div className="institution-head">
        <h3>{t("department.title")}</h3>
        {mayEdit && <Button onClick={() => setDoing({ kind: "add" })}>{t("department.add")}</Button>}
      </div>
      <ul className="lines" data-part="departments">
        {shown.map((one) => {
          const isClosed = one.active === false;
          const button = (kind: "rename" | "close" | "open") => (
            <Button aria-label={`${t(`department.${kind}`)} ${one.name}`} onClick={() => setDoing({ kind, department: one })}>
              {t(`department.${kind}`)}
            </Button>
          );
          return (
            <li key={one.id} className={isClosed ? "is-over" : ""}>
              <span>
                <Link href={`/consortium?at=${one.id}`}>{one.name}</Link>
                {isClosed && <span className="tag">{t("department.closed")}</span>}
              </span>
              {mayEdit && <span className="staff-ways">{isClosed ? button("open") : [button("rename"), button("close")].map((way, at) => <span key={at}>{way}</span>)}</span>}
            </li>
          );
        })}
      </ul>
      {(doing?.kind === "add" || (doing?.kind === "rename" && current !== undefined)) && (
        <Name institution={institution} {...(current !== undefined && { department: current })} onClose={() => setDoing(undefined)} />
      )}
      {(doing?.kind === "close" || doing?.kind === "open") && current !== undefined && <Switch department={current} isOpening={doing.kind === "open"} onClose={() => setDoing(undefined)} />}
    </div>
  );
}

const servicesOf = (department: Organization) => ({ organization: `Organization/${department.id}`, _count: "200" });

/** Names a new department, or one that exists anew. What it offers under its own name is renamed with it. */
function Name({ institution, department, onClose }: { institution: Organization; department?: Organization; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const { idOf, forget } = useOnce();
  const [typed, setTyped] = useState<string>();
  const [isTried, setIsTried] = useState(false);
  const name = typed ?? department?.name ?? "";
  useUnsaved(typed !== undefined);
  const save = useChange(
    async () => {
      if (department === undefined) {
        const kept = await service.createOnce(departmentOf(institution, idOf(name), name, t("department.kind")));
        await service.createOnce(serviceOf(kept, idOf(`${name} service`)));
        return;
      }
      const services = await service.all<HealthcareService>("HealthcareService", servicesOf(department));
      const alike = services.filter((one) => one.name === department.name);
      await service.updateAll([department, ...alike].map((one) => ({ ...one, name: name.trim() })));
    },
    () => {
      forget();
      onClose();
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (name.trim() !== "" && !save.isPending) save.mutate();
  };
  return (
    <Dialog title={t(department === undefined ? "department.add" : "department.rename")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label={t("department.name")} error={isTried && name.trim() === "" ? t("register.required") : undefined}>
          {(field) => <Input {...field} autoFocus autoComplete="off" value={name} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
        {save.isError && <NotChanged cause={save.error} />}
        <DialogEnd onClose={onClose} isBusy={save.isPending}>
          {t("consortium.save")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}

/** Closes a department or opens it again, with what it offers, and says first how many still work there. */
function Switch({ department, isOpening, onClose }: { department: Organization; isOpening: boolean; onClose(): void }) {
  const { t } = useTexts();
  const service = useService();
  const staff = useQuery({
    queryKey: ["staff-count", department.id],
    enabled: !isOpening,
    queryFn: async ({ signal }) => {
      const roles = await service.all<PractitionerRole>("PractitionerRole", servicesOf(department), signal);
      return roles.filter((role) => role.active !== false && holds(role.period, Date.now())).length;
    },
  });
  const save = useChange(async () => {
    const services = await service.all<HealthcareService>("HealthcareService", servicesOf(department));
    await service.updateAll([department, ...services].map((one) => ({ ...one, active: isOpening })));
  }, onClose);
  const title = t(isOpening ? "department.open.title" : "department.close.title", { name: department.name ?? "" });
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{t(isOpening ? "department.open.help" : "department.close.help")}</p>
      {staff.isLoading && <Loading rows={1} />}
      {staff.isError && <FailureNotice cause={staff.error} />}
      {(staff.data ?? 0) > 0 && <p className="note note-warning">{t("department.close.staff", { count: staff.data ?? 0 })}</p>}
      {save.isError && <NotChanged cause={save.error} />}
      <div className="form-end">
        <Button size="large" autoFocus onClick={onClose}>
          {t("dialog.cancel")}
        </Button>
        <Working type="primary" busy={save.isPending ? t("state.saving") : undefined} onClick={() => save.mutate()}>
          {t(isOpening ? "department.open" : "department.close")}
        </Working>
      </div>
    </Dialog>
  );
}
