/** Whether this browser sounds when somebody is called; kept from one day to the next. */
const KEPT = "qingshan.tone";

export const isToneOn = () => localStorage.getItem(KEPT) === "on";
export const keepTone = (isOn: boolean) => localStorage.setItem(KEPT, isOn ? "on" : "off");

let context: AudioContext | undefined;

/** Makes the browser able to sound. A browser lets a page do so only once somebody has touched it. */
export async function wake(): Promise<boolean> {
  if (!("AudioContext" in globalThis)) return false;
  context ??= new AudioContext();
  if (context.state === "suspended") await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 300))]);
  return context.state === "running";
}

/** Two soft notes, the second higher: heard across a room, and no alarm. */
export async function sound(): Promise<boolean> {
  if (!(await wake()) || context === undefined) return false;
  const begin = context.currentTime + 0.02;
  for (const [place, pitch] of [587.33, 880].entries()) {
    const [tone, volume] = [context.createOscillator(), context.createGain()];
    const at = begin + place * 0.28;
    tone.type = "sine";
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.18, at + 0.04);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.6);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.65);
  }
  return true;
}

/** Which of these are called and were not before; nothing is new of what was there when a screen came up. */
export function newOf(before: ReadonlySet<string> | undefined, now: ReadonlySet<string>): string[] {
  return before === undefined ? [] : [...now].filter((one) => !before.has(one));
}
