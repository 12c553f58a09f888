import type { Organization } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Input } from "antd";
import { useRef, useState, type FormEvent } from "react";
import { Dialog } from "../Dialog";
import { DialogEnd } from "../DialogEnd";
import { Choice, Field } from "../Field";
import { useTexts } from "../language";
import { newId } from "../patients/vitals";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { useUnsaved } from "../unsaved";
import { joining, levels, type Level } from "./tree";

/** Takes an institution into the consortium. */
export function AddMember({ head, onClose }: { head: Organization; onClose(): void }) {
  const { t, known } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const ids = useRef([newId(), newId()] as const);
  const [name, setName] = useState("");
  const [level, setLevel] = useState<Level>();
  const [creditCode, setCreditCode] = useState("");
  const [isTried, setIsTried] = useState(false);
  useUnsaved(name !== "");
  const add = useMutation({
    mutationFn: async (chosen: Level) => {
      const [id, affiliation] = ids.current;
      const levelName = known("level", chosen) ?? chosen;
      const institution = { id, name: name.trim(), level: chosen, levelName, creditCode: creditCode.trim().toUpperCase() };
      const [organization, tie] = joining(head, institution, affiliation);
      const kept = await service.createOnce(organization);
      await service.createOnce({ ...tie, participatingOrganization: { reference: `Organization/${kept.id}` } });
    },
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["consortium"] });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (name.trim() !== "" && level !== undefined && !add.isPending) add.mutate(level);
  };
  return (
    <Dialog title={t("consortium.add")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field label={t("consortium.name")} error={isTried && name.trim() === "" ? t("register.required") : undefined}>
          {(field) => <Input {...field} value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <Choice
          label={t("consortium.level")}
          options={levels.map((value) => ({ value, label: known("level", value) ?? value }))}
          value={level}
          onChange={(value) => setLevel(value)}
          error={isTried && level === undefined ? t("register.required") : undefined}
        />
        <Field label={t("consortium.creditCode")}>
          {(field) => <Input {...field} maxLength={18} value={creditCode} onChange={(event) => setCreditCode(event.target.value)} />}
        </Field>
        {add.isError && <FailureNotice cause={add.error} />}
        <DialogEnd onClose={onClose} isBusy={add.isPending}>
          {t("consortium.submit")}
        </DialogEnd>
      </form>
    </Dialog>
  );
}
