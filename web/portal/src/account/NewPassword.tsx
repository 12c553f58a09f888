import type { PasswordChange, Session } from "@qingshan/client";
import { Alert, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useDoor } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";

/** Chooses another password: because the old one is no longer good, or because somebody wants to. */
export function NewPassword(props: {
  /** Who asks, when nobody is signed in yet. */
  login?: string;
  /** The old password, when it was typed just now. */
  old?: string;
  totp?: string | undefined;
  /** Takes the session that a good change gives. */
  onDone(session: Session): void;
}) {
  const { t } = useTexts();
  const { account, standing } = useDoor();
  const [old, setOld] = useState(props.old ?? "");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [isTried, setIsTried] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [change, setChange] = useState<PasswordChange>();
  const [cause, setCause] = useState<unknown>();
  const isForced = props.login !== undefined;

  const unlike = second !== "" && first !== second;
  const same = first !== "" && first === old;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (isBusy || first === "" || second === "" || old === "" || unlike || same) return;
    setIsBusy(true);
    setCause(undefined);
    const { login, totp } = props;
    const wish = { old, new: first, ...(login !== undefined && { login }), ...(totp !== undefined && { totp }) };
    try {
      const made = await account.changePassword(wish, "session" in standing ? standing.session.csrf : undefined);
      setChange(made);
      if (made.kind === "changed") props.onDone(made.session);
    } catch (failure) {
      setCause(failure);
    }
    setIsBusy(false);
  };
  const missing = (text: string) => (isTried && text === "" ? t("signIn.required") : undefined);
  return (
    <form className={isForced ? "card sign-in" : "new-password"} onSubmit={(event) => void submit(event)} noValidate>
      {isForced && <h1>{t("password.title")}</h1>}
      {isForced && <Alert showIcon type="info" title={t("password.forced")} />}
      {change?.kind === "wrong" && <Alert role="alert" showIcon type="error" title={t("password.wrong")} />}
      {change?.kind === "locked" && <Alert role="alert" showIcon type="warning" title={t("signIn.locked")} />}
      {change?.kind === "weak" && (
        <Alert
          role="alert"
          showIcon
          type="error"
          title={t(`password.weak.${change.problem}`, { length: change.length, classes: change.classes })}
        />
      )}
      {cause !== undefined && <FailureNotice cause={cause} />}
      {props.old === undefined && (
        <Field label={t("password.old")} error={missing(old)}>
          {(field) => (
            <Input.Password {...field} autoComplete="current-password" value={old} onChange={(e) => setOld(e.target.value)} />
          )}
        </Field>
      )}
      <Field
        label={t("password.new")}
        help={t("password.policy")}
        error={missing(first) ?? (same ? t("password.same") : undefined)}
      >
        {(field) => (
          <Input.Password {...field} autoComplete="new-password" value={first} onChange={(e) => setFirst(e.target.value)} />
        )}
      </Field>
      <Field label={t("password.again")} error={missing(second) ?? (unlike ? t("password.unlike") : undefined)}>
        {(field) => (
          <Input.Password {...field} autoComplete="new-password" value={second} onChange={(e) => setSecond(e.target.value)} />
        )}
      </Field>
      <Working type="primary" htmlType="submit" block={isForced} busy={isBusy ? t("state.saving") : undefined}>
        {t("password.submit")}
      </Working>
    </form>
  );
}
