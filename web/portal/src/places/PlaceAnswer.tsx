import { Failure, type Appointment } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { useEffect, useState } from "react";
import { timeAt } from "../calendar";
import { useAnswers } from "../forms/FormView";
import type { AnswerProps } from "../forms/Question";
import { useTexts } from "../language";
import { useNow } from "../live";
import { useService } from "../session";
import { FailureNotice } from "../states";
import { useHoldAround, type HoldAround } from "./around";
import { PlaceList, useDay, type Choice } from "./PlaceList";
import { heldUntil, hold, release, type Asking } from "./reading";

/** How long a place is held while a form is filled in, in milliseconds; the service may hold it for less. */
const WHILE_FILLING = 30 * 60_000;

/** A question that is answered by a place: chosen among what is free now, and held from then on. */
export function PlaceAnswer(props: AnswerProps) {
  const around = useHoldAround();
  const { t } = useTexts();
  if (around?.patient === undefined) return <p className="hint">{t("places.noPatient")}</p>;
  return <Held {...props} around={{ ...around, patient: around.patient }} />;
}

function Held({ field, describedBy, around }: AnswerProps & { around: HoldAround & { patient: string } }) {
  const { t } = useTexts();
  const { written } = useDay();
  const service = useService();
  const cache = useQueryClient();
  const answer = useAnswers(field);
  const [isOpen, setIsOpen] = useState(false);
  const [asking, setAsking] = useState<Asking>({ specialty: "", organization: around.organization, forReferral: true });
  const { organization } = around;
  useEffect(() => setAsking((old) => ({ ...old, organization })), [organization]);
  const chosen = field.slots[0]?.value?.valueReference;
  const held = chosen?.reference?.split("/")[1];
  const current = useQuery({
    queryKey: ["held", held],
    enabled: held !== undefined,
    refetchInterval: 60_000,
    queryFn: ({ signal }) => service.read<Appointment>("Appointment", held ?? "", signal),
  });
  const now = useNow(5_000);
  const until = current.data === undefined ? undefined : heldUntil(current.data);
  const isOver = current.data !== undefined && (current.data.status === "cancelled" || (until !== undefined && until <= now));
  const take = useMutation({
    mutationFn: async (choice: Choice) => {
      const { department } = choice;
      const place = "slot" in choice ? { slot: choice.slot.slot } : { service: department.service, "any-bed": true };
      const wanted = { id: crypto.randomUUID(), patient: around.patient, request: around.request, priority: around.priority };
      // What is held already is exchanged, so that nobody has neither; what is over cannot be.
      const instead = held === undefined || isOver || around.request !== undefined ? undefined : `Appointment/${held}`;
      const taken = await hold(service, { ...wanted, ...place, instead, until: new Date(Date.now() + WHILE_FILLING).toISOString() });
      return { taken, department };
    },
    onSuccess: ({ taken, department }) => {
      cache.setQueryData(["held", taken.id], taken);
      const time = taken.slot === undefined ? t("places.bed") : written(taken.start ?? "", taken.end);
      const display = `${department.institution.name} ${department.name} ${time}`;
      answer([{ value: { valueReference: { reference: `Appointment/${taken.id}`, display } } }]);
      around.onDepartment?.(department);
      setIsOpen(false);
    },
  });
  const giveBack = useMutation({
    mutationFn: async () => {
      if (held !== undefined && !isOver) await release(service, held, t("places.changed"));
    },
    onSettled: () => answer([]),
  });
  const isTaken = take.error instanceof Failure && take.error.kind === "conflict";
  return (
    <div className="place-answer" aria-describedby={describedBy}>
      {chosen !== undefined && (
        <p className={isOver ? "place-held is-over" : "place-held"} role="status" data-held={held}>
          <span aria-hidden>{isOver ? "✕" : "✓"}</span> <strong>{chosen.display ?? chosen.reference}</strong>{" "}
          <span className="what">
            {isOver ? t("places.over") : until !== undefined ? t("places.until", { time: timeAt(until).slice(0, 5) }) : t("places.held")}
          </span>
        </p>
      )}
      <span className="place-actions">
        <Button data-stop aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          {t(isOpen ? "places.close" : chosen === undefined ? "places.choose" : "places.other")}
        </Button>
        {chosen !== undefined && (
          <Button data-stop type="text" onClick={() => giveBack.mutate()}>
            {t("places.giveBack")}
          </Button>
        )}
      </span>
      {isTaken && <Alert role="alert" type="warning" showIcon title={t("places.taken")} />}
      {take.isError && !isTaken && <FailureNotice cause={take.error} unsaved={t("places.notHeld")} />}
      {isOpen && (
        <PlaceList
          // After somebody was quicker, what is free is asked anew.
          key={take.failureCount}
          asking={asking}
          onAsk={setAsking}
          onChoose={(choice) => take.mutate(choice)}
          isBusy={take.isPending}
        />
      )}
    </div>
  );
}
