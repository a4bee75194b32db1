import { signinLinkSchema, vmSchema, type Vm } from '@hearth/contract';
import { makeLab, type HearthLab } from '@hearth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, signIn, watchPage, type TestBrowser } from './browser.ts';

let lab: HearthLab;
let browser: TestBrowser;
beforeAll(async () => {
  lab = await makeLab();
  await lab.up();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await lab.dispose();
});

test('the one-time link signs a browser in, once, and the pages work without anything from outside', async () => {
  const { context } = browser;
  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  const page = await context.newPage();
  const found = watchPage(page, lab.url);
  // A preview of the link does not use it up.
  await page.goto(url);
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Connect' }).waitFor();
  await page.getByRole('link', { name: 'My VMs' }).click();
  await page.getByText('You have no VM yet').waitFor();
  await page.goto(`${lab.url}/api/docs`);
  await page.getByText('Create a VM').first().waitFor();
  expect(found).toEqual({ foreign: [], complaints: [] });

  // Signed in by a cookie that scripts can't read.
  expect(await page.evaluate(async () => (await fetch('/api/me')).status)).toBe(200);
  expect(await page.evaluate('document.cookie')).toBe('');
  expect(await context.cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);

  // Spent: the same link again is refused in words.
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This link is spent').waitFor();

  // A token does it as well, and signing out ends it.
  await page.getByLabel('Your token').fill('hth_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This token doesn’t sign you in').waitFor();
  await page.getByLabel('Your token').fill(await lab.adminToken());
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Connect' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Your token').waitFor();
  expect(await page.evaluate(async () => (await fetch('/api/me')).status)).toBe(401);
});

test('pages at 360 px: nothing reaches beyond the window', async () => {
  const page = await browser.context.newPage();
  await page.setViewportSize({ width: 360, height: 640 });
  await page.goto(`${lab.url}/signin`);
  await page.getByLabel('Your token').fill(await lab.adminToken());
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Connect' }).waitFor();
  for (const path of [
    '/connect',
    '/runs',
    '/terminal',
    '/vms',
    '/vms/vm-000000000000',
    '/vms/vm-000000000000/desktop',
    '/nothing',
  ]) {
    await page.goto(`${lab.url}${path}`);
    await page.getByRole('heading').first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBeLessThanOrEqual(360);
  }
  await page.close();
});

const DAY_MS = 86_400_000;
const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();
const hibernatedVm = (id: string, changes: Partial<Record<keyof Vm, unknown>>): Vm =>
  vmSchema.parse({
    ...{ id, userId: 'usr-000000000000', kind: 'cli', state: 'hibernated', version: 1 },
    ...{ cpus: 1, memMiB: 512, diskMiB: 512, desktop: null, ip: null, imageId: null, origin: 'snapshot' },
    ...{ createdAt: inDays(-20), readyAt: null, deletedAt: null, lastUsedAt: null, failure: null },
    finding: null,
    ...{ hibernatedAt: inDays(-11), deletesAt: inDays(3.5), ...changes },
    timeline: { startedAt: inDays(-20), phases: [] },
  });

// Days pass, and a memory file rots, in the answers alone.
test('hibernated VMs: kept until when, warned of at last; a damaged one can be tried again, or booted without its memory', async () => {
  const quiet = hibernatedVm('vm-000000000001', {});
  const ending = hibernatedVm('vm-000000000002', { deletesAt: inDays(2.5) });
  const damaged = hibernatedVm('vm-000000000003', {
    failure: {
      ...{ code: 'snapshot_invalid', title: 'The saved memory is damaged', layer: 'snapshot' },
      ...{ detail: 'the memory has another checksum', hint: 'Boot its disk afresh.', at: inDays(0) },
    },
  });
  const warm = hibernatedVm('vm-000000000004', { userId: null });
  const page = await signIn(browser.context, lab);
  const found = watchPage(page, lab.url);
  const events = [
    ...[quiet, ending, damaged, warm].map((vm) => ({ type: 'vm', vm })),
    { type: 'listed' },
  ].map((event) => `data: ${JSON.stringify(event)}\n\n`);
  await page.route('**/api/vms/events', (route) =>
    route.fulfill({ contentType: 'text/event-stream', body: events.join('') }),
  );
  const asked: string[] = [];
  await page.route('**/api/vms/*/resume', (route) => {
    asked.push(route.request().postData() ?? '');
    return route.fulfill({ json: { ...damaged, version: 2 }, status: 202 });
  });
  await page.goto(`${lab.url}/vms`);
  const card = ({ id }: Vm) => page.getByRole('listitem', { name: id });
  await card(quiet)
    .getByText(/Hibernated since .*; will be deleted on .* unless you resume it/)
    .waitFor();
  expect(await card(quiet).getByText('Will be deleted in').count()).toBe(0);
  await card(ending).getByText('Will be deleted in 2 days').waitFor();
  await card(ending).getByRole('button', { name: 'Resume' }).waitFor();
  expect(await card(warm).count()).toBe(0);

  await card(damaged).getByText('the memory has another checksum').waitFor();
  await card(damaged).getByRole('button', { name: 'Try again' }).click();
  await expect.poll(() => asked).toEqual(['{"cold":false}']);
  await card(damaged).getByRole('button', { name: 'Boot its disk afresh' }).click();
  await page.getByRole('button', { name: 'Keep it as it is' }).click();
  expect(asked).toHaveLength(1);
  await card(damaged).getByRole('button', { name: 'Boot its disk afresh' }).click();
  await page.getByRole('button', { name: 'Boot it', exact: true }).click();
  await expect.poll(() => asked[1]).toBe('{"cold":true}');
  expect(found).toEqual({ foreign: [], complaints: [] });
  await page.close();
});
