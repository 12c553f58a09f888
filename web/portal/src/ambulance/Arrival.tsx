import type { Observation } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { timeAt } from "../calendar";
import { useTexts } from "../language";
import { useLive } from "../live";
import { standing } from "../runs/graph";
import { CODES, reckonedOf, sinceBefore } from "../runs/position";
import { useRun } from "../runs/reading";
import { showLength } from "../runs/words";
import { useService } from "../session";
import type { Drive } from "./drive";
import { MINUTES } from "./WhoAndWhere";

interface Props {
  drive: Drive;
  now: number;
  onMinutes(minutes: number): void;
  onLift(): void;
}

/** When the patient arrives: by where the vehicle is unless the crew says otherwise, and which of the two it is. */
export function Arrival(props: Props) {
  const { patient } = props.drive;
  return patient === undefined ? <Shown {...props} reckoned={undefined} /> : <Followed {...props} patient={patient} />;
}

/** What the record last worked out from where the vehicle is; while there is no line, what it had until then. */
function Followed({ patient, ...props }: Props & { patient: string }) {
  const { id, began } = props.drive;
  const service = useService();
  const cache = useQueryClient();
  const queryKey = ["drive", id, "arrival", patient];
  const found = useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      const asked = { patient: `Patient/${patient}`, code: CODES, date: sinceBefore([{ began }]), _sort: "-date", _count: "20" };
      return (await service.search<Observation>("Observation", asked, signal)).found;
    },
  });
  useLive(`Observation?patient=Patient/${patient}`, () => void cache.invalidateQueries({ queryKey }));
  const run = useRun(id).data?.run;
  const there = standing(run, "arrived") ?? standing(run, "door");
  if (there !== undefined) return <There at={there.at} />;
  return <Shown {...props} reckoned={reckonedOf(found.data ?? [])} />;
}

/** Once they are there, nobody asks any more when they come. */
function There({ at }: { at: string }) {
  const { t } = useTexts();
  return (
    <section className="ambulance-eta" aria-label={t("ambulance.there")}>
      <h2>
        <span aria-hidden>✓</span> {t("ambulance.there")} <strong>{timeAt(Date.parse(at)).slice(0, 5)}</strong>
      </h2>
    </section>
  );
}

function Shown({ drive, now, onMinutes, onLift, reckoned }: Props & { reckoned: ReturnType<typeof reckonedOf> }) {
  const texts = useTexts();
  const { t } = texts;
  const said = drive.eta === undefined ? undefined : Date.parse(drive.eta);
  const isOwn = said !== undefined && (drive.etaSaid !== undefined || reckoned === undefined);
  const at = isOwn ? said : reckoned === undefined ? undefined : Date.parse(reckoned.eta);
  const ago = (moment: number) => showLength(texts, Math.max(0, now - moment));
  const clock = (moment: number) => timeAt(moment).slice(0, 5);
  return (
    <section className="ambulance-eta" aria-label={t("ambulance.eta")}>
      <h2>
        {t("ambulance.eta")} <strong>{at === undefined ? "–" : at > now ? `${clock(at)} · ${showLength(texts, at - now)}` : clock(at)}</strong>
      </h2>
      <p className="ambulance-note">
        {isOwn
          ? t("ambulance.eta.own", { ago: ago(Date.parse(drive.etaSaid ?? drive.began)) })
          : reckoned !== undefined && t(`ambulance.eta.${reckoned.way}`, { ago: ago(reckoned.at) })}
      </p>
      {isOwn && reckoned !== undefined && (
        <button type="button" className="ambulance-key" onClick={onLift}>
          {t("ambulance.eta.lift", { time: clock(Date.parse(reckoned.eta)), how: t(`eta.${reckoned.way}`) })}
        </button>
      )}
      <div>
        {MINUTES.map((minutes) => (
          <button key={minutes} type="button" className="ambulance-key" onClick={() => onMinutes(minutes)}>
            {t("length.minute", { count: minutes })}
          </button>
        ))}
      </div>
    </section>
  );
}
