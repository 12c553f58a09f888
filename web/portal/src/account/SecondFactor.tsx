import { Alert, Input } from "antd";
import { useState, type FormEvent } from "react";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useDoor, useSession } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";

/** A code of an authenticator besides the password: begun, confirmed, given up. */
export function SecondFactor() {
  const { t } = useTexts();
  const { account, renew } = useDoor();
  const { totp, csrf } = useSession();
  const [begun, setBegun] = useState<{ secret: string; uri: string }>();
  const [typed, setTyped] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [isWrong, setIsWrong] = useState(false);
  const [cause, setCause] = useState<unknown>();

  const act = async (ask: () => Promise<void>) => {
    if (isBusy) return;
    setIsBusy(true);
    setIsWrong(false);
    setCause(undefined);
    try {
      await ask();
    } catch (failure) {
      setCause(failure);
    }
    setIsBusy(false);
  };
  // To begin and to give up take the password again; in between a code is asked for.
  const asksPassword = totp || begun === undefined;
  const prove = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim() === "") return;
    void act(async () => {
      if (!totp && begun === undefined) {
        const made = await account.beginSecondFactor(typed, csrf);
        setTyped("");
        setIsWrong(made === undefined);
        setBegun(made);
        return;
      }
      const isRight = await (totp ? account.removeSecondFactor(typed, csrf) : account.confirmSecondFactor(typed.trim(), csrf));
      setTyped("");
      setIsWrong(!isRight);
      if (!isRight) return;
      setBegun(undefined);
      await renew();
    });
  };
  const busy = isBusy ? t("state.saving") : undefined;
  return (
    <section className="card">
      <h2>{t("totp.title")}</h2>
      <p className="hint">{t(totp ? "totp.on" : "totp.off")}</p>
      {cause !== undefined && <FailureNotice cause={cause} />}
      {isWrong && <Alert role="alert" showIcon type="error" title={t(asksPassword ? "password.wrong" : "totp.wrong")} />}
      <form className="new-password" onSubmit={prove} noValidate>
        {begun !== undefined && (
          <p>
            {t("totp.enter")} <a href={begun.uri}>{t("totp.open")}</a>
            <code className="secret">{begun.secret.replace(/(.{4})/g, "$1 ").trim()}</code>
          </p>
        )}
        <Field label={t(asksPassword ? "password.old" : "signIn.totp")}>
          {(field) =>
            asksPassword ? (
              <Input.Password {...field} autoComplete="current-password" value={typed} onChange={(e) => setTyped(e.target.value)} />
            ) : (
              <Input
                {...field}
                className="measure"
                inputMode="numeric"
                autoComplete="one-time-code"
                maxLength={6}
                value={typed}
                onChange={(e) => setTyped(e.target.value)}
              />
            )
          }
        </Field>
        <Working type={begun === undefined && !totp ? "default" : "primary"} danger={totp} htmlType="submit" busy={busy}>
          {t(totp ? "totp.remove" : begun === undefined ? "totp.begin" : "totp.confirm")}
        </Working>
      </form>
    </section>
  );
}
