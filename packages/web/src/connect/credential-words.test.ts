import { credentialSchema, providers, type Credential } from '@hearth/contract';
import { expect, it } from 'vitest';
import { credentialFacts, keyTrouble } from './credential-words.ts';

const NOW = Date.parse('2026-01-10T12:00:00.000Z');
const credential = (changes: Partial<Record<keyof Credential, unknown>> = {}): Credential =>
  credentialSchema.parse({
    ...{ id: 'crd-000000000000', userId: 'usr-000000000000', provider: 'claude_code', kind: 'sign_in' },
    ...{ state: 'valid', version: 1, account: 'ana@example.com', ownerVmId: null, versions: [], refusals: 0 },
    ...{ createdAt: '2026-01-07T12:00:00.000Z', updatedAt: '2026-01-07T12:00:00.000Z', refreshedAt: null },
    ...{ expiresAt: '2026-01-10T20:00:00.000Z', lastUsedAt: null, refusalRate: null, ...changes },
  });
const facts = (changes?: Partial<Record<keyof Credential, unknown>>): Record<string, string> =>
  Object.fromEntries(credentialFacts(credential(changes), NOW));

it('says with whose account, since when, and when it ends', () => {
  expect(facts()).toEqual({
    With: 'ana@example.com',
    Connected: '3 days ago',
    'Last used': 'never',
    'Access ends': 'in 8 hours',
  });
});

it.each([
  [{ kind: 'api_key', account: null, expiresAt: null }, 'With', 'an API key'],
  [{ account: null }, 'With', 'a sign-in'],
  [{ expiresAt: '2026-01-10T11:00:00.000Z' }, 'Access ends', 'now; renewed at the next use'],
  [{ expiresAt: '2026-01-10T12:00:05.000Z' }, 'Access ends', 'in seconds'],
  [{ refusalRate: 0.25 }, 'Refused', '25 % of the last runs'],
  [{ refusalRate: 0 }, 'Refused', undefined],
  [{ refreshedAt: '2026-01-10T11:00:00.000Z' }, 'Renewed by the tool', '1 hour ago'],
])('of %j says %s: %s', (changes, name, value) => {
  expect(facts(changes)[name]).toBe(value);
});

it('knows what can be no key before it is sent', () => {
  const { claude_code: claude } = providers;
  expect(keyTrouble(claude, '  ')).toBe('Paste the key first.');
  expect(keyTrouble(claude, 'two words')).toMatch(/one word/);
  expect(keyTrouble(claude, 'sk-x')).toMatch(/doesn’t look like a key/);
  expect(keyTrouble(claude, ' sk-ant-api03-fake-NOT-A-TOKEN-0000000000000000\n')).toBeNull();
});
