import { Link } from "wouter";
import { hasDuty, places } from "../duties";
import { useTexts } from "../language";
import { useSession } from "../session";
import "./lane.css";

/** The way straight into the emergency lane for whoever works in a clinic: three touches, and a hospital knows. */
export function ClinicLane() {
  const { t } = useTexts();
  const session = useSession();
  if (!hasDuty(session, "family-doctor", "village-doctor")) return null;
  return (
    <Link className="lane" href={places.ambulance}>
      <strong>
        <span aria-hidden>✚ </span>
        {t("lane.clinic")}
      </strong>
      <span>{t("lane.clinic.help")}</span>
    </Link>
  );
}

/** What somebody at home does first: an ambulance has what a hospital needs to know, and treats on the way. */
export function HomeLane() {
  const { t } = useTexts();
  return (
    <section className="lane is-home" aria-label={t("lane.home")}>
      <strong>{t("lane.home")}</strong>
      <a className="lane-call" href="tel:120">
        {t("lane.call")}
      </a>
      <ul>
        <li>{t("lane.stroke")}</li>
        <li>{t("lane.chest")}</li>
        <li>{t("lane.wait")}</li>
      </ul>
      <Link className="lane-more" href="/mine/announce">
        {t("lane.announce")}
      </Link>
    </section>
  );
}
