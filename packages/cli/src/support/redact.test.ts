import { describe, expect, test } from 'vitest';
import { makeRedact } from './redact.ts';
import { plantedSecrets } from './test-secrets.ts';

const redact = makeRedact([]);

describe('secrets are taken out by their looks', () => {
  test.each(plantedSecrets)('$what', ({ text, secret }) => {
    expect(text).toContain(secret);
    const said = JSON.stringify({ said: text });
    for (const around of [
      text,
      `before ${text} after`,
      `before\n${text}\nafter`,
      said,
      JSON.stringify(said),
    ]) {
      const clean = redact(around);
      expect(clean).not.toContain(secret);
      expect(clean).toContain('[redacted:');
      expect(redact(clean), 'a second time changes nothing').toBe(clean);
    }
  });

  test('what is around them stays', () => {
    expect(redact('GET /cb?x=1&token=abcdef&y=2')).toBe('GET /cb?x=1&token=[redacted:code]&y=2');
    expect(redact(JSON.stringify({ access_token: 'abcdef', expires_in: 5 }))).toBe(
      '{"access_token":"[redacted:named]","expires_in":5}',
    );
  });
});

test.each([
  '{"level":40,"requestId":"req-0123456789ab","vmId":"vm-000000000001","code":"host_unreachable","detail":"no answer"}',
  'keyFile: /var/lib/hearth/controller/master.key',
  '{"vault":{"keyFile":"/etc/hearth/master.key"}}',
  'hearth_vm_starts_total{kind="cli",outcome="ready"} 3',
  '-rw------- root 43 Tue /var/lib/hearth/admin.token',
  '3: hvt0: <BROADCAST> mtu 1500 link/ether 02:48:0a:05:00:02 brd ff:ff:ff:ff:ff:ff',
  'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
])('what is no secret stays: %s', (text) => {
  expect(redact(text)).toBe(text);
});

test('secrets of this machine are taken out by their values, as text, in JSON and in addresses', () => {
  const value = 'fake/"pass+word"-NOT-A-TOKEN';
  const known = makeRedact([value, 'short', '']);
  for (const text of [value, JSON.stringify({ v: value }), `?v=${encodeURIComponent(value)}`])
    expect(known(`see ${text}`)).toMatch(/^see .*\[redacted:a-secret-of-this-machine\]/);
  expect(known('a short word')).toBe('a short word');
});
