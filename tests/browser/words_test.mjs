// What people read: each language has all of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, wordsOf } from './system.mjs';

// Which a page never asks for, or acts upon and shows no more of.
const kNotShown = new Set([
  'body_not_json', 'cursor_invalid', 'field_duplicate', 'field_unknown', 'idempotency_key_invalid', 'idempotency_key_missing', 'limit_invalid', 'not_a_top_up', 'path_malformed', 'payment_not_approved',
  'provider_unknown', 'query_duplicate', 'query_malformed', 'queue_off', 'refund_exceeds_captured', 'refund_exceeds_debit', 'refund_refused', 'request_malformed', 'route_not_found',
  'settlement_malformed', 'too_many_streams', 'wallet_not_empty', 'web_not_built', 'webhook_malformed', 'webhook_signature',
  'webhook_timestamp',
]);

test('each code that a page may be refused with has a sentence, in each language', async () => {
  const table = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8');
  const codes = [...table.matchAll(/^\| `(\w+)` \| \d+ \|/gm)].map((row) => row[1]).filter((code) => !kNotShown.has(code));
  assert.ok(codes.length > 50);
  for (const language of ['en', 'ko']) {
    const { errors } = await wordsOf(language);
    assert.deepEqual(codes.filter((code) => !errors[code]), [], language);
  }
});

test('both languages have the same sentences', async () => {
  const [en, ko] = await Promise.all(['en', 'ko'].map(wordsOf));
  assert.deepEqual(Object.keys(ko.errors).sort(), Object.keys(en.errors).sort());
});
