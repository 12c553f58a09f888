import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify, type ECDH } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";

/** A text message or a call, as the gateway is asked for it (docs/decisions/paging.md). */
export interface Message {
  id: string;
  channel: string;
  to: string;
  text: string;
}

/** What a push service was given for one browser. */
export interface Pushed {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What lies outside: a gateway for text messages, and a push service. Both take what they are given and pass nothing on. */
export class Outside {
  readonly messages: Message[] = [];
  readonly pushed: Pushed[] = [];
  /** Whether the gateway takes anything. */
  isDown = false;

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async raise(): Promise<Outside> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const outside = new Outside(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("request", (request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const [path, body] = [request.url ?? "", Buffer.concat(parts)];
        if (path.startsWith("/push/")) {
          outside.pushed.push({ path, headers: request.headers, body });
          response.writeHead(201).end();
        } else if (outside.isDown) {
          response.writeHead(503).end();
        } else {
          outside.take(JSON.parse(body.toString()) as Message);
          response.writeHead(202).end();
        }
      });
    });
    return outside;
  }

  /** The same message a second time is a repeat. */
  private take(message: Message): void {
    if (!this.messages.some(({ id }) => id === message.id)) this.messages.push(message);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/**
 * The keys of a browser that takes messages, which its page believes to have from its push service: a Chromium under test
 * reaches none.
 */
export class Subscription {
  readonly endpoint: string;
  private readonly own: ECDH;
  private readonly auth = randomBytes(16);

  constructor(outside: Outside, name: string) {
    this.endpoint = `${outside.origin}/push/${name}`;
    this.own = createECDH("prime256v1");
    this.own.generateKeys();
  }

  /** Lets the pages of a window subscribe, and keeps the key of the server that they are given. */
  async lend(page: Page): Promise<void> {
    const keys = { p256dh: this.own.getPublicKey("base64url"), auth: this.auth.toString("base64url") };
    await page.addInitScript(
      ({ endpoint, keys }) => {
        const KEPT = "test.subscription";
        const subscribed = (text: string) => ({
          endpoint,
          options: { applicationServerKey: Uint8Array.from(JSON.parse(text) as number[]).buffer },
          toJSON: () => ({ endpoint, keys }),
          unsubscribe: async () => {
            localStorage.removeItem(KEPT);
            return true;
          },
        });
        const kept = () => localStorage.getItem(KEPT);
        Object.assign(PushManager.prototype, {
          subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) => {
            localStorage.setItem(KEPT, JSON.stringify([...applicationServerKey]));
            return subscribed(kept() ?? "[]");
          },
          getSubscription: async () => {
            const text = kept();
            return text === null ? null : subscribed(text);
          },
        });
      },
      { endpoint: this.endpoint, keys },
    );
  }

  /** The key of the server that a page was given when it subscribed. */
  async serverKey(page: Page): Promise<Buffer> {
    return Buffer.from(JSON.parse((await page.evaluate(() => localStorage.getItem("test.subscription"))) ?? "[]") as number[]);
  }

  /** Opens a message as a browser does (RFC 8291, 3; RFC 8188, 2). */
  opened({ headers, body }: Pushed): Record<string, unknown> {
    if (headers["content-encoding"] !== "aes128gcm") throw new Error("a browser opens aes128gcm alone");
    const [salt, recordSize, length] = [body.subarray(0, 16), body.readUInt32BE(16), body.readUInt8(20)];
    const [theirs, sealed] = [body.subarray(21, 21 + length), body.subarray(21 + length)];
    if (sealed.length > recordSize) throw new Error("a message is one record");
    const derived = (salt: Buffer, secret: Buffer, info: (string | Buffer)[], size: number) =>
      Buffer.from(hkdfSync("sha256", secret, salt, Buffer.concat(info.map((part) => Buffer.from(part as string))), size));
    const secret = derived(this.auth, this.own.computeSecret(theirs), ["WebPush: info\0", this.own.getPublicKey(), theirs], 32);
    const key = derived(salt, secret, ["Content-Encoding: aes128gcm\0"], 16);
    const nonce = derived(salt, secret, ["Content-Encoding: nonce\0"], 12);
    const cipher = createDecipheriv("aes-128-gcm", key, nonce).setAuthTag(sealed.subarray(-16));
    const text = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    // The last record ends with a 2, and nothing but zeros after it.
    const end = text.lastIndexOf(2);
    if (end < 0 || text.subarray(end + 1).some((byte) => byte !== 0)) throw new Error("the message does not end as one does");
    return JSON.parse(text.subarray(0, end).toString()) as Record<string, unknown>;
  }
}

/** What a server says of itself to a push service, with its signature checked (RFC 8292, 2 and 3). */
export function vapidOf({ headers }: Pushed): { key: Buffer; claims: { aud: string; exp: number; sub: string } } {
  const [, token = "", told = ""] = /^vapid t=([^,]+), ?k=(.+)$/.exec(headers.authorization ?? "") ?? [];
  const key = Buffer.from(told, "base64url");
  const [header = "", claims = "", signature = ""] = token.split(".");
  const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
  if (read(header)["alg"] !== "ES256") throw new Error("a push service takes ES256 alone");
  const point = (from: number) => key.subarray(from, from + 32).toString("base64url");
  const jwk = { kty: "EC", crv: "P-256", x: point(1), y: point(33) };
  const options = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" as const };
  if (!verify("sha256", Buffer.from(`${header}.${claims}`), options, Buffer.from(signature, "base64url"))) throw new Error("the signature is another's");
  return { key, claims: read(claims) as { aud: string; exp: number; sub: string } };
}
