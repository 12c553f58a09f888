import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** Another institution's sign-in, as OpenID Connect says it: <https://openid.net/specs/openid-connect-core-1_0.html>. */
export interface Provider {
  issuer: string;
  close(): Promise<void>;
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function bodyOf(request: IncomingMessage): Promise<URLSearchParams> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return new URLSearchParams(Buffer.concat(pieces).toString());
}

/** Starts a provider with one page, on which one says who one is by a press. */
export async function provider(client: string, subjects: string[]): Promise<Provider> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" };
  const given = new Map<string, { subject: string; nonce: string; challenge: string; redirect: string }>();
  let issuer = "";

  const page = (asked: URLSearchParams) => {
    const choices = subjects.map((subject) => {
      const code = randomUUID();
      const [nonce, challenge, redirect] = ["nonce", "code_challenge", "redirect_uri"].map((name) => asked.get(name) ?? "");
      given.set(code, { subject, nonce: nonce ?? "", challenge: challenge ?? "", redirect: redirect ?? "" });
      const to = `${redirect}?${new URLSearchParams({ code, state: asked.get("state") ?? "" }).toString()}`;
      return `<p><a href="${to.replaceAll("&", "&amp;")}">${subject}</a></p>`;
    });
    return `<!doctype html><title>Elsewhere</title>${choices.join("")}`;
  };
  const token = (sent: URLSearchParams) => {
    const asked = given.get(sent.get("code") ?? "");
    given.delete(sent.get("code") ?? "");
    const challenge = createHash("sha256").update(sent.get("code_verifier") ?? "").digest("base64url");
    if (asked === undefined || asked.challenge !== challenge || asked.redirect !== sent.get("redirect_uri")) return undefined;
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, sub: asked.subject, aud: client, nonce: asked.nonce, iat: now, exp: now + 300 };
    const signed = `${part({ alg: "RS256", kid: "one", typ: "JWT" })}.${part(claims)}`;
    const signature = createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url");
    return { access_token: randomUUID(), token_type: "Bearer", expires_in: 300, id_token: `${signed}.${signature}` };
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", issuer);
    const json = (value: object, status = 200) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname === "/.well-known/openid-configuration") {
      return json({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
      });
    }
    if (url.pathname === "/keys") return json({ keys: [key] });
    if (url.pathname === "/authorize") {
      return response.writeHead(200, { "content-type": "text/html" }).end(page(url.searchParams));
    }
    if (url.pathname === "/token") {
      const made = token(await bodyOf(request));
      return made === undefined ? json({ error: "invalid_grant" }, 400) : json(made);
    }
    return response.writeHead(404).end();
  });
  await new Promise<void>((open) => server.listen(0, "127.0.0.1", open));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((done) => server.close(() => done()));
    // A connection over which nothing was asked yet counts as being at work, and would be waited for.
    server.closeAllConnections();
    await closed;
  };
  return { issuer, close };
}
