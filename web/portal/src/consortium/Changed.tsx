import { Failure, type Organization, type OrganizationAffiliation } from "@qingshan/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert } from "antd";
import { useTexts } from "../language";
import { FailureNotice } from "../states";

/** What the screens of a consortium are made of, as the record has it. */
export interface Register {
  organizations: readonly Organization[];
  affiliations: readonly OrganizationAffiliation[];
}

/** The name of an organization of the register. */
export const nameIn = ({ organizations }: Register, id: string): string => organizations.find((one) => one.id === id)?.name ?? id;

/** Changes the consortium; afterwards, and also when somebody else was quicker, everything is shown as it then is. */
export function useChange(change: () => Promise<unknown>, onDone: () => void) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ["consortium"] });
      onDone();
    },
    onError: async (cause) => {
      if (cause instanceof Failure && cause.kind === "conflict") await cache.invalidateQueries({ queryKey: ["consortium"] });
    },
  });
}

/** Why a change was not made. When somebody else was quicker, what they wrote is on the screen by then. */
export function NotChanged({ cause }: { cause: unknown }) {
  const { t } = useTexts();
  if (cause instanceof Failure && cause.kind === "conflict") {
    return <Alert role="alert" type="warning" showIcon title={t("failure.conflict")} description={t("consortium.conflict")} />;
  }
  return <FailureNotice cause={cause} unsaved={t("state.kept")} />;
}
