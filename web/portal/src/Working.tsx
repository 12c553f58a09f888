import { Button, type ButtonProps } from "antd";
import type { MouseEvent } from "react";

/** A button that says in words that it is at work, keeps the focus meanwhile and does nothing twice. */
export function Working({ busy, children, ...rest }: ButtonProps & { busy: string | undefined }) {
  const still = (event: MouseEvent<HTMLElement>) => {
    if (busy !== undefined) event.preventDefault();
    else rest.onClick?.(event);
  };
  return (
    <Button {...rest} size="large" aria-disabled={busy !== undefined} onClick={still}>
      {busy ?? children}
    </Button>
  );
}
