import type { Call, Roster, Shift } from "@qingshan/client";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { useState } from "react";
import { Link } from "wouter";
import { bounds, dayAt, showTime } from "../calendar";
import { hasDuty, keepers, postOf } from "../duties";
import { useTexts } from "../language";
import { useLive, useNow } from "../live";
import { useDay } from "../places/PlaceList";
import { useInstitutions } from "../protocols/Figures";
import { say } from "../runs/words";
import { useSession } from "../session";
import { later, mondayOf } from "../sessions/reading";
import { TurnWeek } from "../sessions/Turn";
import { FailureNotice, Loading, Nothing } from "../states";
import { usePaging } from "./reading";
import { SetShift } from "./SetShift";
import "./paging.css";

const DAY = 86_400_000;
const startOf = (day: string) => bounds(day)?.from ?? 0;

/** Who is on call in a week: a row for each thing there is to be on call for, a column for each day. */
export default function RosterPage() {
  const { t } = useTexts();
  const session = useSession();
  const paging = usePaging();
  const cache = useQueryClient();
  const institutions = useInstitutions();
  const houses = (institutions.data ?? []).filter((one) => one.partOf === undefined || !one.type?.some((type) => type.coding?.some(({ code }) => code === "dept")));
  const own = institutions.data?.find(({ id }) => id === postOf(session)?.organization);
  const ownHouse = own?.type?.some((type) => type.coding?.some(({ code }) => code === "dept")) === true ? own.partOf?.reference?.replace("Organization/", "") : own?.id;
  const [chosen, setChosen] = useState<string>();
  const institution = chosen ?? ownHouse ?? postOf(session)?.organization ?? "";
  const [monday, setMonday] = useState(() => mondayOf(dayAt(Date.now())));
  const [asked, setAsked] = useState<{ call: Call; day: string; instead?: Shift }>();
  const from = new Date(startOf(monday)).toISOString();
  const to = new Date(startOf(later(monday, 7))).toISOString();
  const queryKey = ["paging", "roster", institution, from];
  const roster = useQuery({
    queryKey,
    enabled: institution !== "" && institutions.isFetched,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => paging.roster(institution, from, to, signal),
  });
  useLive("Slot?service-category=https://qingshan.dev/fhir/CodeSystem/session|on-call", () => void cache.invalidateQueries({ queryKey: ["paging", "roster"] }));
  // Who may is decided by the record; the buttons only keep the way short.
  const mayKeep = institution === ownHouse && hasDuty(session, ...keepers);
  const drop = useMutation({
    mutationFn: (id: string) => paging.dropShift(id),
    onSettled: () => cache.invalidateQueries({ queryKey: ["paging", "roster"] }),
  });
  return (
    <section className="roster stack">
      <header className="roster-head">
        <h1>{t("roster.title")}</h1>
        <label>
          <span className="what">{t("roster.institution")}</span>
          <select className="select" value={institution} onChange={(event) => setChosen(event.target.value)}>
            {houses.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      </header>
      <p className="hint">{t("roster.help")}</p>
      <TurnWeek monday={monday} onTurn={setMonday} />
      {roster.isPending && <Loading rows={8} />}
      {roster.isError && <FailureNotice cause={roster.error} retry={() => void roster.refetch()} />}
      {drop.isError && <FailureNotice cause={drop.error} />}
      {roster.data?.calls.length === 0 && <Nothing title={t("roster.none")} help={t("roster.none.help")} />}
      {roster.data !== undefined && roster.data.calls.length > 0 && (
        <Week
          roster={roster.data}
          monday={monday}
          onAdd={mayKeep ? (call, day) => setAsked({ call, day }) : undefined}
          onReplace={mayKeep ? (call, day, instead) => setAsked({ call, day, instead }) : undefined}
          onDrop={mayKeep ? (shift) => drop.mutate(shift.id) : undefined}
        />
      )}
      {asked !== undefined && <SetShift {...asked} institution={institution} onClose={() => setAsked(undefined)} />}
      <p className="what">
        <Link href="/settings">{t("roster.devices")}</Link>
      </p>
    </section>
  );
}

function Week(props: {
  roster: Roster;
  monday: string;
  onAdd: ((call: Call, day: string) => void) | undefined;
  onReplace: ((call: Call, day: string, shift: Shift) => void) | undefined;
  onDrop: ((shift: Shift) => void) | undefined;
}) {
  const { roster, monday, onAdd, onReplace, onDrop } = props;
  const { t, locale } = useTexts();
  const { weekday } = useDay();
  const now = useNow(30_000);
  const today = dayAt(now);
  const days = Array.from({ length: 7 }, (_, day) => later(monday, day));
  const [opened, setOpened] = useState<string>();
  const isNow = ({ from, to }: Shift) => Date.parse(from) <= now && now < Date.parse(to);
  const isIn = ({ from, to }: Shift, day: string) => Date.parse(from) < startOf(day) + DAY && Date.parse(to) > startOf(day);
  return (
    <div className="roster-frame">
      <table className="roster-table">
        <thead>
          <tr>
            <th scope="col">{t("roster.call")}</th>
            <th scope="col" className="roster-now">
              {t("roster.now")}
            </th>
            {days.map((day) => (
              <th key={day} scope="col" aria-current={day === today ? "date" : undefined}>
                {weekday(day)} <span className="what measure">{day.slice(5)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {roster.calls.map((call) => {
            const shifts = roster.shifts.filter((one) => one.call === call.code);
            const on = shifts.filter(isNow);
            return (
              <tr key={call.code} data-call={call.code}>
                <th scope="row">{say(locale, call.title)}</th>
                <td className="roster-now" data-label={t("roster.now")}>
                  {on.length === 0 && today >= monday && today <= later(monday, 6) && <span className="roster-nobody">! {t("roster.nobody")}</span>}
                  {on.map((one) => (
                    <span key={one.id} className="roster-on">
                      <strong>{one.name}</strong>
                      <Ways shift={one} />
                    </span>
                  ))}
                </td>
                {days.map((day) => (
                  <td key={day} data-label={`${weekday(day)} ${day.slice(5)}`}>
                    {shifts
                      .filter((one) => isIn(one, day))
                      .map((one) => (
                        <div key={one.id} className={isNow(one) ? "roster-shift is-now" : "roster-shift"}>
                          <button type="button" aria-expanded={opened === `${one.id} ${day}`} onClick={() => setOpened(opened === `${one.id} ${day}` ? undefined : `${one.id} ${day}`)}>
                            <strong>{one.name}</strong>
                            <span className="measure">
                              {dayAt(Date.parse(one.from)) === day ? showTime(one.from) : "…"}–{Date.parse(one.to) <= startOf(day) + DAY ? showTime(one.to) : "…"}
                            </span>
                          </button>
                          {opened === `${one.id} ${day}` && (
                            <span className="roster-ways">
                              <Ways shift={one} />
                              {onReplace !== undefined && (
                                <Button size="small" onClick={() => onReplace(call, day, one)}>
                                  {t("roster.replace")}
                                </Button>
                              )}
                              {onDrop !== undefined && (
                                <Button size="small" danger onClick={() => onDrop(one)}>
                                  {t("roster.drop")}
                                </Button>
                              )}
                            </span>
                          )}
                        </div>
                      ))}
                    {onAdd !== undefined && day >= today && (
                      <button type="button" className="roster-add" aria-label={t("roster.add.to", { call: say(locale, call.title) ?? "", day })} onClick={() => onAdd(call, day)}>
                        ＋
                      </button>
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** Over which channels somebody on call is reached, and a warning where it is none. */
function Ways({ shift }: { shift: Shift }) {
  const { t, locale } = useTexts();
  const named = shift.channels.map((channel) => t(`paging.channel.${channel}`));
  if (named.length === 0) return <span className="roster-nobody">! {t("roster.noChannel")}</span>;
  return <span className="what">{named.join(locale === "zh-CN" ? "、" : ", ")}</span>;
}
