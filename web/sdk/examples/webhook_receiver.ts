// Receives events as webhooks: verifies them by the Standard Webhooks library, reads them by the CloudEvents SDK, drops those that it
// has seen, and prints each as one line. Its secret is in WEBHOOK_SECRET; it listens on PORT of 127.0.0.1, and prints where.
//   boxoffice relay add http://127.0.0.1:9400/ --payload full       (needs --target-allow-networks 127.0.0.1)
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HTTP, type CloudEvent } from 'cloudevents';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const kMaxBytes = 1024 * 1024;

// The raw body; none if it is too long. That is read to its end, but not kept, as a sender who is cut off sees no answer.
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes <= kMaxBytes) parts.push(part);
  }
  return bytes <= kMaxBytes ? Buffer.concat(parts).toString('utf8') : undefined;
}

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? '');
const seen = new Set<string>(); // a real receiver keeps them where it keeps what it does with the events

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  if (body === undefined) {
    response.writeHead(413).end();
    return;
  }
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
}

const server = createServer((request, response) => {
  // The sender has hung up, or the event can't be read: no answer, and the sender sends it again. Uncaught, it would end the process.
  receive(request, response).catch((thrown) => {
    console.error(thrown);
    response.destroy();
  });
});
server.listen(Number(process.env.PORT ?? 9400), '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
