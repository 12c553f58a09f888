import { useEffect, useId, useRef, type ReactNode } from "react";

/** A window over the page that takes the keyboard until it is closed, and gives it back. */
export function Dialog(props: { title: string; onClose(): void; children: ReactNode }) {
  const { title, onClose, children } = props;
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const own = dialog.current;
    if (own !== null && !own.open) own.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
