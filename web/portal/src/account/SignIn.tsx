import type { Attempt, CastMember } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Alert, Input } from "antd";
import { useRef, useState, type FormEvent } from "react";
import { duties } from "../duties";
import { Field } from "../Field";
import { useTexts } from "../language";
import { useDoor } from "../session";
import { FailureNotice } from "../states";
import { Working } from "../Working";
import { NewPassword } from "./NewPassword";
import { showDuties } from "./Post";

/** Where somebody says who they are. */
export function SignIn() {
  const { t } = useTexts();
  const { account, standing, enter } = useDoor();
  const ended = standing.kind === "locked" ? standing.session : undefined;
  const [login, setLogin] = useState(ended?.account ?? "");
  const [password, setPassword] = useState("");
  const [totp, setTotp] = useState("");
  const [isTried, setIsTried] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [attempt, setAttempt] = useState<Attempt>();
  const [cause, setCause] = useState<unknown>();
  const form = useRef<HTMLFormElement>(null);
  // What came of signing in at another institution's door, if somebody comes back from there without it.
  const cameBack = new URLSearchParams(location.search).get("sign-in");
  const cast = useQuery({ queryKey: ["sign-in", "cast"], queryFn: () => account.cast(), staleTime: Infinity });
  const providers = useQuery({ queryKey: ["sign-in", "providers"], queryFn: () => account.providers(), staleTime: Infinity });

  const make = async (ask: () => Promise<Attempt>) => {
    if (isBusy) return;
    setIsBusy(true);
    setCause(undefined);
    try {
      const made = await ask();
      setAttempt(made);
      if (made.kind === "in") return enter(made.session);
      if (made.kind === "totpNeeded") requestAnimationFrame(() => form.current?.querySelector<HTMLElement>(".totp")?.focus());
    } catch (failure) {
      setCause(failure);
    }
    setIsBusy(false);
  };
  const asksTotp = attempt?.kind === "totpNeeded" || totp !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setIsTried(true);
    if (login.trim() === "" || password === "") return;
    void make(() => account.signIn(login.trim(), password, asksTotp && totp !== "" ? totp.trim() : undefined));
  };
  const missing = (text: string) => (isTried && text.trim() === "" ? t("signIn.required") : undefined);

  if (attempt?.kind === "changePassword") {
    return (
      <NewPassword
        login={login.trim()}
        old={password}
        totp={totp === "" ? undefined : totp}
        onDone={enter}
      />
    );
  }
  return (
    <div className="sign-in-page">
      <form className="card sign-in" onSubmit={submit} noValidate ref={form}>
        <h1>{t("signIn.title")}</h1>
        {ended !== undefined && attempt === undefined && cause === undefined && (
          <Alert showIcon type="info" title={t("signIn.expired", { name: ended.name })} />
        )}
        {cameBack !== null && attempt === undefined && (
          <Alert role="alert" showIcon type="error" title={t(cameBack === "refused" ? "signIn.elsewhere.refused" : "signIn.elsewhere.failed")} />
        )}
        <Refused attempt={attempt} hadTotp={totp !== ""} />
        {cause !== undefined && <FailureNotice cause={cause} />}
        <Field label={t("signIn.login")} error={missing(login)}>
          {(field) => (
            <Input
              {...field}
              value={login}
              onChange={(event) => setLogin(event.target.value)}
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus={ended === undefined}
            />
          )}
        </Field>
        <Field label={t("signIn.password")} error={missing(password)}>
          {(field) => (
            <Input.Password
              {...field}
              value={password}
              onChange={(event) => setPassword(event.target.value)}
              autoComplete="current-password"
              autoFocus={ended !== undefined}
            />
          )}
        </Field>
        {asksTotp && (
          <Field label={t("signIn.totp")} help={t("signIn.totp.help")}>
            {(field) => (
              <Input
                {...field}
                className="totp measure"
                inputMode="numeric"
                autoComplete="one-time-code"
                maxLength={7}
                value={totp}
                onChange={(event) => setTotp(event.target.value.replace(/[^\d]/g, ""))}
              />
            )}
          </Field>
        )}
        <Working type="primary" htmlType="submit" block busy={isBusy ? t("state.signingIn") : undefined}>
          {t("signIn.submit")}
        </Working>
        {(providers.data ?? []).map((provider) => (
          <a className="button-link button-wide" key={provider.name} href={account.startAt(provider, location.pathname + location.search)}>
            {t("signIn.with", { provider: provider.title || provider.name })}
          </a>
        ))}
      </form>
      {cast.data !== undefined && cast.data.length > 0 && (
        <Cast cast={cast.data} onChoose={(member) => void make(() => account.signInAs(member.login))} />
      )}
    </div>
  );
}

/** Why the last attempt did not open the door, and what to do about it. */
function Refused({ attempt, hadTotp }: { attempt: Attempt | undefined; hadTotp: boolean }) {
  const { t } = useTexts();
  if (attempt?.kind === "wrong") {
    return <Alert role="alert" showIcon type="error" title={t(hadTotp ? "signIn.wrong.totp" : "signIn.wrong")} />;
  }
  if (attempt?.kind === "totpNeeded") return <Alert role="status" showIcon type="info" title={t("signIn.totp.needed")} />;
  if (attempt?.kind === "locked") {
    const minutes = attempt.retryAfter === undefined ? undefined : Math.max(1, Math.ceil(attempt.retryAfter / 60));
    const text = minutes === undefined ? t("signIn.locked") : t("signIn.locked.until", { minutes });
    return <Alert role="alert" showIcon type="warning" title={text} description={t("signIn.locked.help")} />;
  }
  return null;
}

/** The people of a demonstration, each of whom one may be with one press. */
function Cast({ cast, onChoose }: { cast: readonly CastMember[]; onChoose(member: CastMember): void }) {
  const texts = useTexts();
  const { t } = texts;
  const order: readonly string[] = duties;
  // Lay people come last; among staff, the duties as they stand in the list of them.
  const place = ({ posts }: CastMember) => (posts[0]?.duties[0] === undefined ? order.length : order.indexOf(posts[0].duties[0]));
  const what = (member: CastMember) => {
    const [post] = member.posts;
    if (post !== undefined) return showDuties(texts, post);
    return t(member.patients !== undefined && member.patients.charges.length > 0 ? "signIn.cast.proxy" : "signIn.cast.patient");
  };
  return (
    <section className="card cast" aria-labelledby="cast">
      <h2 id="cast">{t("signIn.cast")}</h2>
      <p className="hint">{t("signIn.cast.help")}</p>
      <ul>
        {[...cast].sort((left, right) => place(left) - place(right)).map((member) => (
          <li key={member.login}>
            <button type="button" onClick={() => onChoose(member)} data-login={member.login}>
              <span className="cast-duty">{what(member)}</span>
              <strong>{member.name}</strong>
              <span className="what">{member.posts.map((post) => post.organizationName).join(" / ")}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
