import { Button } from "antd";
import { useState } from "react";
import { Dialog } from "../Dialog";
import { useTexts } from "../language";
import { CARD, keepRuler, LIMITS } from "./ruler";

/** Lays a card on the screen and makes the drawn one as large; after that a millimetre is one on this device. */
export function RulerDialog({ ruler, onClose }: { ruler: number | undefined; onClose(): void }) {
  const { t } = useTexts();
  const [factor, setFactor] = useState(ruler ?? 1);
  const change = (by: number) => setFactor((old) => Math.min(LIMITS[1], Math.max(LIMITS[0], old * by)));
  const save = () => {
    keepRuler(factor);
    onClose();
  };
  return (
    <Dialog title={t("ecg.ruler.title")} onClose={onClose}>
      <p>{t("ecg.ruler.help")}</p>
      <div className="ecg-card-frame">
        <div className="ecg-card" style={{ width: `${CARD.width * factor}mm`, height: `${CARD.height * factor}mm` }} aria-hidden />
      </div>
      <label className="ecg-ruler">
        {t("ecg.ruler.size")}
        <input type="range" min={LIMITS[0]} max={LIMITS[1]} step={0.002} value={factor} onChange={(event) => setFactor(Number(event.target.value))} />
      </label>
      <div className="form-end">
        <Button size="large" onClick={() => change(1 / 1.005)}>
          {t("ecg.ruler.smaller")}
        </Button>
        <Button size="large" onClick={() => change(1.005)}>
          {t("ecg.ruler.larger")}
        </Button>
        <Button size="large" onClick={onClose}>
          {t("dialog.cancel")}
        </Button>
        <Button size="large" type="primary" onClick={save}>
          {t("ecg.ruler.save")}
        </Button>
      </div>
    </Dialog>
  );
}
