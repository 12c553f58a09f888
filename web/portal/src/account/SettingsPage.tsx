import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { useState } from "react";
import { showDate, showTime } from "../calendar";
import { Choice } from "../Field";
import { isLay, postOf } from "../duties";
import { useTexts } from "../language";
import { Notifications } from "../paging/Notifications";
import { useDoor, useSession } from "../session";
import { useSettings, type Settings } from "../settings";
import { FailureNotice, Loading } from "../states";
import { browserOf } from "./browser";
import { NewPassword } from "./NewPassword";
import { SecondFactor } from "./SecondFactor";

/** How the shell looks, and what concerns one's own account. */
export default function SettingsPage() {
  const { t, locale, choose } = useTexts();
  const settings = useSettings();
  const session = useSession();
  const { enter } = useDoor();
  const [isChanged, setIsChanged] = useState(false);
  const themes: Settings["theme"][] = ["device", "light", "dark"];
  return (
    <div className="stack">
      <section className="card">
        <h1>{t("settings.title")}</h1>
        <Choice
          label={t("settings.language")}
          options={[
            { value: "zh-CN" as const, label: t("settings.language.zh-CN") },
            { value: "en" as const, label: t("settings.language.en") },
          ]}
          value={locale}
          onChange={choose}
        />
        <Choice
          label={t("settings.theme")}
          options={themes.map((value) => ({ value, label: t(`settings.theme.${value}`) }))}
          value={settings.theme}
          onChange={(theme) => settings.change({ theme })}
        />
        <Choice
          label={t("settings.type")}
          options={[
            { value: "usual" as const, label: t("settings.type.usual") },
            { value: "large" as const, label: t("settings.type.large") },
          ]}
          value={settings.isElder ? "large" : "usual"}
          onChange={(type) => settings.change({ isElder: type === "large" })}
        />
        <p className="hint">{t("settings.keys")}</p>
      </section>
      <section className="card">
        <h2>{t("password.change")}</h2>
        {isChanged ? (
          <Alert role="status" showIcon type="success" title={t("password.changed")} />
        ) : (
          <NewPassword
            onDone={(session) => {
              enter(session);
              setIsChanged(true);
            }}
          />
        )}
      </section>
      {!isLay(session) && postOf(session) !== undefined && <Notifications />}
      <SecondFactor />
      <OpenSessions />
      <AppsLetIn />
    </div>
  );
}

/** Where else this account is signed in, and a way to end that. */
function OpenSessions() {
  const { t, locale } = useTexts();
  const { account } = useDoor();
  const session = useSession();
  const cache = useQueryClient();
  const [cause, setCause] = useState<unknown>();
  const open = useQuery({ queryKey: ["sessions"], queryFn: () => account.sessions() });
  const end = (id: string) => {
    setCause(undefined);
    account.end(id, session.csrf).then(() => cache.invalidateQueries({ queryKey: ["sessions"] }), setCause);
  };
  const moment = (when: string) => `${showDate(when, locale)} ${showTime(when) ?? ""}`;
  return (
    <section className="card">
      <h2>{t("sessions.title")}</h2>
      <p className="hint">{t("sessions.help")}</p>
      {open.isPending && <Loading rows={3} />}
      {open.isError && <FailureNotice cause={open.error} retry={() => void open.refetch()} />}
      {cause !== undefined && <FailureNotice cause={cause} />}
      <ul className="lines">
        {(open.data ?? []).map((one) => (
          <li key={one.id}>
            <span>
              <strong>{browserOf(one.agent) ?? t("sessions.unknown")}</strong>
              {one.current && <span className="tag tag-new">{t("sessions.current")}</span>}
              <span className="what line-note">
                {t("sessions.seen", { started: moment(one.began), seen: moment(one.seen), address: one.address || "–" })}
              </span>
            </span>
            {!one.current && <Button onClick={() => end(one.id)}>{t("sessions.end")}</Button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The apps that may come by themselves because they were let in; nothing where there is none. */
function AppsLetIn() {
  const { t, locale } = useTexts();
  const { account } = useDoor();
  const session = useSession();
  const cache = useQueryClient();
  const [cause, setCause] = useState<unknown>();
  const letIn = useQuery({ queryKey: ["letIn"], queryFn: () => account.letIn() });
  const end = (id: string) => {
    setCause(undefined);
    account.shutOut(id, session.csrf).then(() => cache.invalidateQueries({ queryKey: ["letIn"] }), setCause);
  };
  const apps = letIn.data ?? [];
  if (apps.length === 0 && !letIn.isError) return null;
  return (
    <section className="card">
      <h2>{t("letIn.title")}</h2>
      <p className="hint">{t("letIn.help")}</p>
      {letIn.isError && <FailureNotice cause={letIn.error} retry={() => void letIn.refetch()} />}
      {cause !== undefined && <FailureNotice cause={cause} />}
      <ul className="lines">
        {apps.map((one) => (
          <li key={one.id}>
            <span>
              <strong>{one.name}</strong>
              <span className="what line-note">
                {t("letIn.span", { began: showDate(one.began, locale), ends: showDate(one.ends, locale) })}
              </span>
            </span>
            <Button onClick={() => end(one.id)}>{t("letIn.end")}</Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
