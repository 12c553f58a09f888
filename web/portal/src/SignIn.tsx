import { Failure } from "@qingshan/client";
import { Alert, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Field } from "./Field";
import { useTexts } from "./language";
import { useSession } from "./session";
import { FailureNotice } from "./states";
import { Working } from "./Working";

/** Where somebody says who they are. */
export function SignIn() {
  const { t } = useTexts();
  const { enter, hasExpired } = useSession();
  const [id, setId] = useState("");
  const [secret, setSecret] = useState("");
  const [isTried, setIsTried] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [cause, setCause] = useState<unknown>();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (isBusy || id.trim() === "" || secret === "") return;
    setIsBusy(true);
    setCause(undefined);
    try {
      await enter(id.trim(), secret.trim());
    } catch (failure) {
      setCause(failure);
      setIsBusy(false);
    }
  };
  const missing = (text: string) => (isTried && text.trim() === "" ? t("signIn.required") : undefined);
  const isWrong = cause instanceof Failure && cause.kind === "refused";

  return (
    <form className="card sign-in" onSubmit={(event) => void submit(event)} noValidate>
      <h1>{t("signIn.title")}</h1>
      {hasExpired && cause === undefined && <Alert showIcon type="info" title={t("signIn.expired")} />}
      {isWrong && <Alert role="alert" showIcon type="error" title={t("signIn.refused")} />}
      {cause !== undefined && !isWrong && <FailureNotice cause={cause} />}
      <Field label={t("signIn.id")} error={missing(id)}>
        {(field) => (
          <Input
            {...field}
            value={id}
            onChange={(event) => setId(event.target.value)}
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            autoFocus
          />
        )}
      </Field>
      <Field label={t("signIn.secret")} error={missing(secret)}>
        {(field) => (
          <Input.Password
            {...field}
            value={secret}
            onChange={(event) => setSecret(event.target.value)}
            autoComplete="current-password"
          />
        )}
      </Field>
      <Working type="primary" htmlType="submit" block busy={isBusy ? t("state.signingIn") : undefined}>
        {t("signIn.submit")}
      </Working>
    </form>
  );
}
