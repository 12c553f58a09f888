import type { NewDevice, Paging } from "@qingshan/client";

const WORKER = "/page-worker.js";
const SCOPE = "/";

/** Whether this browser could take messages, may, or was told that it must not. */
export type Ability = "able" | "denied" | "insecure" | "unable";

/** What this browser can do about messages. */
export function abilityOf(): Ability {
  if (!globalThis.isSecureContext) return "insecure";
  if (!("serviceWorker" in navigator) || !("PushManager" in globalThis) || !("Notification" in globalThis)) return "unable";
  return Notification.permission === "denied" ? "denied" : "able";
}

/** The bytes of a key in base64url. */
export function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.codePointAt(0) ?? 0);
}

/** The address of this browser at its push service, if it takes messages now. */
export async function ownEndpoint(): Promise<string | undefined> {
  if (abilityOf() !== "able") return undefined;
  const registration = await navigator.serviceWorker.getRegistration(SCOPE);
  return (await registration?.pushManager?.getSubscription())?.endpoint;
}

/** Takes messages on this browser from now on. Says nothing when its owner does not let it. */
export async function turnOn(paging: Paging, key: string, name: string, locale: string): Promise<string | undefined> {
  if ((await Notification.requestPermission()) !== "granted") return undefined;
  await navigator.serviceWorker.register(WORKER, { scope: SCOPE });
  const registration = await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: bytesOf(key) };
  const old = await registration.pushManager.getSubscription();
  // A subscription of another server's key, as after a restore, is of no use.
  const known = old?.options.applicationServerKey;
  const isOurs = known != null && new Uint8Array(known).toString() === bytesOf(key).toString();
  if (old !== null && !isOurs) await old.unsubscribe();
  const subscription = isOurs && old !== null ? old : await registration.pushManager.subscribe(options);
  const told = toDevice(subscription.toJSON(), name, locale);
  if (told === undefined) return undefined;
  return (await paging.addDevice(told)).id;
}

/** Takes no messages on this browser any more. */
export async function turnOff(): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration(SCOPE);
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

/** What the record is told of a browser. */
export function toDevice({ endpoint, keys }: PushSubscriptionJSON, name: string, locale: string): NewDevice | undefined {
  const p256dh = keys?.["p256dh"];
  const auth = keys?.["auth"];
  if (endpoint === undefined || p256dh === undefined || auth === undefined) return undefined;
  return { endpoint, p256dh, auth, name, locale };
}

/** The id that the record gives an address: the first 16 bytes of its digest, after a byte that ends it. */
export async function idOf(endpoint: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${endpoint}\0`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 16);
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
