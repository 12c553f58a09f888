import { Button } from "antd";
import type { ReactNode } from "react";
import { useTexts } from "./language";
import { Working } from "./Working";

/** The end of a dialog: leave everything as it was, or do what it is there for. Without `onDone` that sends its form. */
export function DialogEnd(props: { onClose(): void; isBusy: boolean; onDone?: () => void; children: ReactNode }) {
  const { t } = useTexts();
  const { onClose, isBusy, onDone, children } = props;
  return (
    <div className="form-end">
      <Button size="large" onClick={onClose}>
        {t("dialog.cancel")}
      </Button>
      <Working type="primary" htmlType={onDone === undefined ? "submit" : "button"} busy={isBusy ? t("state.saving") : undefined} {...(onDone !== undefined && { onClick: onDone })}>
        {children}
      </Working>
    </div>
  );
}
