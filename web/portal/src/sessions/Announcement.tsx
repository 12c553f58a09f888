import { Button } from "antd";
import { useTexts } from "../language";
import { useDay } from "../places/PlaceList";
import { aboutOf, later, noteOf, type ExpertSession } from "./reading";

/** The sheet that hangs at the door: who comes when, for people to read from a distance. */
export function Announcement(props: { sessions: readonly ExpertSession[]; from: string; onClose(): void }) {
  const { sessions, from, onClose } = props;
  const { t, locale } = useTexts();
  const { written } = useDay();
  const houses = [...new Map(sessions.map(({ place }) => [place.reference, place.name]))];
  return (
    <section className="announcement">
      <div className="announcement-tools">
        <Button onClick={onClose}>{t("experts.close")}</Button>
        <Button type="primary" onClick={() => print()}>
          {t("experts.print")}
        </Button>
      </div>
      <h1>{t("experts.notice")}</h1>
      <p className="measure">
        {from} – {later(from, 6)}
      </p>
      {houses.map(([reference, name]) => (
        <section key={reference}>
          <h2>{name}</h2>
          {sessions
            .filter(({ place }) => place.reference === reference)
            .map((one) => (
              <article key={one.id}>
                <p className="announcement-when">{written(one.start, one.end)}</p>
                <p>
                  <strong>{one.expert}</strong> {one.title}
                  {aboutOf(one) !== "" && ` · ${aboutOf(one)}`}
                </p>
                {noteOf(one, locale) !== "" && <p>{noteOf(one, locale)}</p>}
              </article>
            ))}
        </section>
      ))}
      <p>{t("experts.notice.how")}</p>
    </section>
  );
}
