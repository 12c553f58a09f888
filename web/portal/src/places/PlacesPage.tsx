import { useState } from "react";
import { useTexts } from "../language";
import { PlaceList } from "./PlaceList";
import type { Asking } from "./reading";

/** Departments of the consortium with what is free in them now. */
export default function PlacesPage() {
  const { t } = useTexts();
  const [asking, setAsking] = useState<Asking>({ specialty: "", organization: "", forReferral: true });
  return (
    <section>
      <h1>{t("places.title")}</h1>
      <p className="hint">{t("places.help")}</p>
      <PlaceList asking={asking} onAsk={setAsking} />
    </section>
  );
}
