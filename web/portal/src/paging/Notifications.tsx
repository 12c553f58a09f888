import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { useState } from "react";
import { Link } from "wouter";
import { showDate, showTime } from "../calendar";
import { browserOf } from "../account/browser";
import { useTexts } from "../language";
import { FailureNotice, Loading } from "../states";
import { Working } from "../Working";
import { abilityOf, idOf, ownEndpoint, turnOff, turnOn } from "./device";
import { OwnNumber } from "./OwnNumber";
import { usePaging } from "./reading";
import "./paging.css";

/** On which devices somebody is called, and over which numbers; turned on and off here. */
export function Notifications() {
  const { t, locale } = useTexts();
  const paging = usePaging();
  const cache = useQueryClient();
  const [busy, setBusy] = useState<"device" | "trial">();
  const [cause, setCause] = useState<unknown>();
  const [said, setSaid] = useState<"refused" | "tried" | "failed">();
  const reach = useQuery({ queryKey: ["paging", "reach"], queryFn: ({ signal }) => paging.reach(signal) });
  const own = useQuery({
    queryKey: ["paging", "own"],
    queryFn: async () => {
      const endpoint = await ownEndpoint();
      return endpoint === undefined ? null : idOf(endpoint);
    },
  });
  const ability = abilityOf();
  const isOn = own.data != null && reach.data?.devices.some(({ id }) => id === own.data) === true;
  const during = async (what: "device" | "trial", work: () => Promise<void>) => {
    setBusy(what);
    setCause(undefined);
    setSaid(undefined);
    try {
      await work();
    } catch (problem) {
      setCause(problem);
    }
    setBusy(undefined);
    await cache.invalidateQueries({ queryKey: ["paging"] });
  };
  const add = () =>
    during("device", async () => {
      const name = browserOf(navigator.userAgent) ?? t("sessions.unknown");
      if ((await turnOn(paging, reach.data?.key ?? "", name, locale)) === undefined) setSaid("refused");
    });
  const remove = (id: string) =>
    during("device", async () => {
      await paging.dropDevice(id);
      if (id === own.data) await turnOff();
    });
  const trial = () =>
    during("trial", async () => {
      const tried = await paging.tryDevices();
      setSaid(tried.every(({ taken }) => taken) ? "tried" : "failed");
    });
  const devices = reach.data?.devices ?? [];
  const numbers = (["sms", "voice"] as const).filter((channel) => reach.data?.gateway.includes(channel));
  return (
    <section className="card paging-devices" aria-label={t("paging.title")}>
      <h2>{t("paging.title")}</h2>
      <p className="hint">{t("paging.help")}</p>
      {reach.isPending && <Loading rows={3} />}
      {reach.isError && <FailureNotice cause={reach.error} retry={() => void reach.refetch()} />}
      {cause !== undefined && <FailureNotice cause={cause} />}
      {reach.isSuccess && (
        <>
          {ability !== "able" && <Alert showIcon type="warning" title={t(`paging.${ability}`)} />}
          {said === "refused" && <Alert role="alert" showIcon type="warning" title={t("paging.refused")} />}
          {said === "tried" && <Alert role="status" showIcon type="success" title={t("paging.tried")} />}
          {said === "failed" && <Alert role="alert" showIcon type="error" title={t("paging.failed")} />}
          {devices.length === 0 && <p className="paging-none">{t("paging.none")}</p>}
          <ul className="lines">
            {devices.map((one) => (
              <li key={one.id}>
                <span>
                  <strong>{one.name}</strong>
                  {one.id === own.data && <span className="tag tag-new">{t("paging.this")}</span>}
                  <span className="what line-note">{t("paging.since", { when: `${showDate(one.since, locale)} ${showTime(one.since) ?? ""}` })}</span>
                </span>
                <Button disabled={busy !== undefined} onClick={() => void remove(one.id)}>
                  {t("paging.off")}
                </Button>
              </li>
            ))}
          </ul>
          {numbers.length > 0 && (
            <ul className="paging-numbers">
              {numbers.map((channel) => {
                const has = reach.data.channels.includes(channel);
                return (
                  <li key={channel} className={has ? "" : "is-missing"}>
                    <span aria-hidden>{has ? "✓ " : "○ "}</span>
                    {t(`paging.channel.${channel}`)} · {t(has ? "paging.number.known" : "paging.number.none")}
                  </li>
                );
              })}
            </ul>
          )}
          <OwnNumber />
          <div className="form-end">
            <Link className="button-link" href="/roster">
              {t("roster.title")}
            </Link>
            {devices.length > 0 && (
              <Working busy={busy === "trial" ? t("state.saving") : undefined} onClick={() => void trial()}>
                {t("paging.trial")}
              </Working>
            )}
            {!isOn && ability === "able" && (
              <Working type="primary" busy={busy === "device" ? t("state.saving") : undefined} onClick={() => void add()}>
                {t("paging.on")}
              </Working>
            )}
          </div>
        </>
      )}
    </section>
  );
}
