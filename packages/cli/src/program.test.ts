import { afterEach, expect, test, vi } from 'vitest';
import { say } from './test-answers.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test.each([
  [['vmm'], 'Did you mean vm?'],
  [['vm', 'creat'], 'Did you mean create?'],
  [['vm', 'create'], "required option '--kind <kind>'"],
  [['vm', 'create', '--kind', 'desktop'], 'Allowed choices are cli, browser'],
  [['vm', 'create', '--kind', 'cli', '--mem', '1.5'], 'whole number'],
  [['vm', 'exec'], "missing required argument 'id'"],
  [['vm', 'exec', 'vm-000000000000', '--env', '1=2', '--', 'ls'], 'NAME=VALUE'],
  [['vm', 'cp', 'only-one'], "missing required argument 'target'"],
  [['token', 'create', '--role', 'king'], 'Allowed choices are admin, user'],
  [['run', 'claud', 'hello'], 'Allowed choices are claude_code'],
  [['runs', 'events', 'run-000000000000', '--after', 'x'], 'the number of an event'],
  [['logs', '--since', 'yesterday'], '30s, 10m, 2h or 1d'],
  [['logs', '--part', 'kernel'], 'Allowed choices are controller'],
  [['test', '--tier', 'unti'], 'Allowed choices are typecheck'],
])('wrong words %j exit with 2 and say the usage', async (words, message) => {
  const { code, err } = await say(...words);
  expect(code).toBe(2);
  expect(err).toContain(message);
  expect(err).toMatch(/usage: hearth /);
  expect(err).not.toContain('    at ');
});

test('wrong words with --json give a problem as JSON and nothing else', async () => {
  const { code, out, err } = await say('vm', 'create', '--json');
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(JSON.parse(err)).toMatchObject({
    code: 'bad_request',
    detail: expect.stringContaining('--kind') as string,
  });
});

test('an id that is none is refused before anything is asked', async () => {
  const { code, err } = await say('vm', 'show', '../../etc');
  expect(code).toBe(1);
  expect(err.trim().split('\n')).toHaveLength(3);
  expect(err).toContain('is not the id of a VM');
  expect((await say('runs', 'show', 'vm-000000000000')).err).toContain('is not the id of a run');
});

test('--help names the exit codes', async () => {
  const { code, out } = await say('--help');
  expect(code).toBe(0);
  expect(out).toContain('3 Hearth is not running');
});
