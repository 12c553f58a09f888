let isPressed = false;
const waiting: (() => void)[] = [];

const begin = () => {
  isPressed = true;
};
const end = () => {
  isPressed = false;
  // The click that belongs to the press comes first.
  setTimeout(() => {
    for (const call of waiting.splice(0)) call();
  });
};

addEventListener("pointerdown", begin, { capture: true, passive: true });
addEventListener("pointerup", end, { capture: true, passive: true });
addEventListener("pointercancel", end, { capture: true, passive: true });

/**
 * Does something once no finger or button is down. What appears under a press that is under way moves its target away, and
 * the press is lost.
 */
export function afterPress(call: () => void): void {
  if (isPressed) waiting.push(call);
  else call();
}
