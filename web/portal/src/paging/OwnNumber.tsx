import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Input } from "antd";
import { useState, type FormEvent } from "react";
import { isMobile } from "../consortium/mobile";
import { Field } from "../Field";
import { useTexts } from "../language";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { usePaging } from "./reading";

/** The number over which somebody is called, entered and changed by themselves. */
export function OwnNumber() {
  const paging = usePaging();
  const known = useQuery({ queryKey: ["paging", "number"], queryFn: async ({ signal }) => (await paging.number(signal)) ?? null });
  if (known.isError) return <FailureNotice cause={known.error} retry={() => void known.refetch()} />;
  // What is typed starts from what is known, once that is.
  return known.data === undefined ? null : <Form known={known.data ?? ""} />;
}

function Form({ known }: { known: string }) {
  const { t } = useTexts();
  const paging = usePaging();
  const cache = useQueryClient();
  const [number, setNumber] = useState(known);
  const [isTried, setIsTried] = useState(false);
  const plain = number.trim();
  const isWrong = plain !== "" && !isMobile(plain);
  const save = useMutation({
    mutationFn: () => paging.setNumber(plain),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["paging"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (!isWrong && !save.isPending) save.mutate();
  };
  return (
    <form className="paging-own" onSubmit={submit} noValidate>
      <Field label={t("paging.own")} help={t("paging.own.help")} error={isTried && isWrong ? t("staff.number.wrong") : undefined}>
        {(field) => (
          <Input
            {...field}
            className="measure"
            type="tel"
            inputMode="tel"
            autoComplete="tel-national"
            value={number}
            onChange={(event) => {
              setNumber(event.target.value);
              save.reset();
            }}
          />
        )}
      </Field>
      {save.isError && <FailureNotice cause={save.error} unsaved={t("state.kept")} />}
      {save.isSuccess && <Alert role="status" showIcon type="success" title={t(plain === "" ? "paging.own.gone" : "paging.own.saved")} />}
      <div className="form-end">
        <Working htmlType="submit" busy={save.isPending ? t("state.saving") : undefined}>
          {t("staff.number.save")}
        </Working>
      </div>
    </form>
  );
}
