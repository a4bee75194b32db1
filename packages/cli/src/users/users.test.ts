import { userSchema, type User } from '@hearth/contract';
import { expect, test } from 'vitest';
import { answeringController, say } from '../test-answers.ts';

const user = (name: string, changes: object = {}): User =>
  userSchema.parse({
    ...{ id: `usr-${name.padEnd(12, '0')}`, name, ownQuota: false },
    quota: { vms: 5, memMiB: null, cpus: 8 },
    used: { vms: 2, memMiB: 4096, cpus: 3 },
    ...changes,
  });
const ana = user('ana');
const ben = user('ben', { ownQuota: true, quota: { vms: 9, memMiB: 8192, cpus: null } });

test('ls shows what each uses of what they may', async () => {
  await using api = await answeringController({ 'GET /api/users': { users: [ana, ben] } });
  expect((await say('user', 'ls', ...api.options)).out).toMatchInlineSnapshot(`
    "ID                NAME  VMS     MEMORY              CPUS         QUOTA
    usr-ana000000000  ana   2 of 5  4096 MiB, no limit  3 of 8       default
    usr-ben000000000  ben   2 of 9  4096 of 8192 MiB    3, no limit  own
    "
  `);
});

test.each([
  [['ana', '--vms', '3'], `PUT /api/users/${ana.id}/quota {"vms":3}`],
  [['ana', '--mem', '2048', '--cpus', 'none'], `PUT /api/users/${ana.id}/quota {"memMiB":2048,"cpus":null}`],
  // What is ben's own and not named stays.
  [[ben.id, '--vms', '0'], `PUT /api/users/${ben.id}/quota {"vms":0,"memMiB":8192,"cpus":null}`],
  [['ben', '--default'], `PUT /api/users/${ben.id}/quota {}`],
])('quota %j', async (words, asked) => {
  await using api = await answeringController({
    'GET /api/users': { users: [ana, ben] },
    [`PUT /api/users/${ana.id}/quota`]: { ...ana, ownQuota: true },
    [`PUT /api/users/${ben.id}/quota`]: ben,
  });
  const { code, out } = await say('user', 'quota', ...words, ...api.options);
  expect(code).toBe(0);
  expect(out).toContain('own');
  expect(api.asked).toEqual(['GET /api/users', asked]);
});

test('without an option the quota is shown, and nobody is told apart from somebody', async () => {
  await using api = await answeringController({ 'GET /api/users': { users: [ana] } });
  expect((await say('user', 'quota', 'ana', ...api.options)).out).toContain('2 of 5');
  expect((await say('user', 'quota', 'eve', ...api.options)).err).toContain('there is no user "eve"');
  expect(api.asked).toEqual(['GET /api/users', 'GET /api/users']);
});

test.each([
  [['user', 'quota', 'ana', '--vms', '-1'], 'whole number'],
  [['user', 'quota', 'ana', '--mem', 'lots'], 'or none'],
  [['user', 'quota', 'ana', '--default', '--vms', '1'], 'cannot be used with'],
  [['user', 'quota'], "missing required argument 'user'"],
])('wrong words %j', async (words, message) => {
  const { code, err } = await say(...words);
  expect(code).toBe(2);
  expect(err).toContain(message);
});
