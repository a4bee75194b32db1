import { signinLinkSchema, vmSchema, type Vm } from '@hearth/contract';
import { startFakeHost } from '@hearth/testing';
import { startTestController } from '../packages/controller/src/test-controller.ts';
import { readWebApp } from '../packages/controller/src/web-app.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, signIn, watchPage, type TestBrowser } from './browser.ts';


let lab: any; let browser: TestBrowser; let fake: any; let c: any;
beforeAll(async () => {
  fake = await startFakeHost('/tmp/webB/host.sock'); c = await startTestController('/tmp/webB/host.sock', {}, {}, await readWebApp('/tmp/webB/dist'));
  const token = await c.token('ada', 'admin');
  lab = { url: c.url, json: async () => { const r = await c.call(token, 'POST', '/api/signin-links'); return r.json(); } };
  browser = await openBrowser();
});
afterAll(async () => { await browser[Symbol.asyncDispose](); await c[Symbol.asyncDispose](); await fake.close(); });
const DAY_MS = 86_400_000;
const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();
const hibernatedVm = (id: string, changes: Partial<Record<keyof Vm, unknown>>): Vm =>
  vmSchema.parse({
    ...{ id, userId: 'usr-000000000000', kind: 'cli', state: 'hibernated', version: 1 },
    ...{ cpus: 1, memMiB: 512, diskMiB: 512, desktop: null, ip: null, imageId: null, origin: 'snapshot' },
    ...{ createdAt: inDays(-20), readyAt: null, deletedAt: null, lastUsedAt: null, failure: null },
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
  await page.goto(lab.url);
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
