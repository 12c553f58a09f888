import { useEffect, useId, useRef, type ReactNode, type SyntheticEvent } from "react";
import { useDoor } from "./session";

/** A window over the page that takes the keyboard until it is closed, and gives it back. */
export function Dialog(props: { title: string; onClose(): void; children: ReactNode }) {
  const { title, onClose, children } = props;
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const isIn = useDoor().standing.kind === "in";
  useEffect(() => {
    // While the session is locked the screen to sign in must get the keyboard.
    if (isIn) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isIn]);
  const cancel = (event: SyntheticEvent) => {
    event.preventDefault();
    onClose();
  };
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={id} onCancel={cancel}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
