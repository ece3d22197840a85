// Receives events as webhooks: verifies them by the Standard Webhooks library, reads them by the CloudEvents SDK, drops those that it
// has seen, and prints each as one line. Its secret is in WEBHOOK_SECRET; it listens on PORT of 127.0.0.1, and prints where.
//   boxoffice relay add http://127.0.0.1:9400/ --payload full       (needs --target-allow-networks 127.0.0.1)
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HTTP, type CloudEvent } from 'cloudevents';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? '');
const seen = new Set<string>(); // a real receiver keeps them where it keeps what it does with the events

const server = createServer(async (request, response) => {
  const body = await bodyOf(request);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  try {
    webhook.verify(body, headers); // the raw body: what is parsed and written again may differ
  } catch (thrown) {
    if (!(thrown instanceof WebhookVerificationError)) throw thrown;
    response.writeHead(401).end();
    return;
  }
  const event = HTTP.toEvent({ headers, body }) as CloudEvent<{ data: unknown }>;
  if (!seen.has(event.id)) {
    seen.add(event.id);
    console.log(JSON.stringify({ id: event.id, type: event.type, source: event.source, time: event.time, data: event.data?.data }));
  }
  response.writeHead(204).end();
});
server.listen(Number(process.env.PORT ?? 9400), '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
