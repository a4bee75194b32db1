import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ticketSchema, type Ticket, type Vm } from '@hearth/contract';
import { makeLab, vmmPids, type HearthLab } from '@hearth/testing';
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openBrowser, signIn, watchPage, type TestBrowser } from './browser.ts';
import { openGuest, type Guest } from './desktop/guest.ts';
import { fileToDrop, sendRaw, spend } from './desktop/in-page.ts';
import { difference, readPng } from './desktop/picture.ts';
import { connectedDesktop, screenOf } from './desktop/screen.ts';
import { openSite } from './desktop/site.ts';
import { openNativeViewer } from './desktop/native-viewer.ts';

const GATEWAY = '192.168.100.1';
const SITE_PORT = 8099;
/** An emulated guest paints and types slowly. */
const SLOW = { timeout: 90_000, interval: 500 };

let lab: HearthLab;
let browser: TestBrowser;
let folder: string;
let guest: Guest;
beforeAll(async () => {
  lab = await makeLab({ network: { allow: [`${GATEWAY}:${SITE_PORT}`] } });
  await lab.up();
  browser = await openBrowser({ viewport: { width: 1280, height: 800 } });
  folder = await mkdtemp(join(tmpdir(), 'hearth-desktop-'));
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await lab.dispose();
  await rm(folder, { recursive: true, force: true });
});

const desktopUrl = (vm: Vm): string => `${lab.url}/vms/${vm.id}/desktop`;

/** Also after a failed test nobody may keep the control. */
afterEach(async () => {
  for (const page of browser.context.pages()) {
    await page.goto('about:blank');
    await page.close();
  }
});

async function openDesktop(): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(desktopUrl(guest.vm));
  await connectedDesktop(page);
  return page;
}

async function ticket(body: object): Promise<Ticket> {
  const answer = await lab.fetch(`/api/vms/${guest.vm.id}/desktop/ticket`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  return ticketSchema.parse(await answer.json());
}

/** An editor on the desktop, focused; what it saved. */
async function openEditor(
  name: string,
): Promise<{ saved: () => Promise<string>; close: () => Promise<void> }> {
  const path = `/tmp/${name}`;
  await guest.start(
    `xterm -T ${name} -geometry 80x20+100+100 -e sh -c 'echo started > ${path}.started; exec busybox vi ${path}'`,
  );
  await expect.poll(() => guest.sh(`cat ${path}.started 2>/dev/null || true`), SLOW).toBe('started\n');
  // The window takes the focus a moment after it is mapped.
  await pause(3000);
  return {
    saved: () => guest.sh(`cat ${path} 2>/dev/null || true`),
    close: async () => {
      // The brackets keep the pattern from matching the shell that runs it.
      await guest.sh(`pkill -f '[b]usybox vi ${path}' || true`);
    },
  };
}

test('Shows: a link, New browser VM, its boot is watched, its desktop appears', async () => {
  const page = await signIn(browser.context, lab);
  const found = watchPage(page, lab.url);
  await page.getByRole('button', { name: 'New browser VM' }).first().click();
  await page.getByRole('heading', { name: 'Your desktop is starting' }).waitFor();
  await connectedDesktop(page, 600_000);
  const id = /vm-\w+/.exec(page.url())?.[0] ?? '';
  const { vms } = (await (await lab.fetch('/api/vms')).json()) as { vms: Vm[] };
  const vm = vms.find((each) => each.id === id);
  if (vm === undefined) throw new Error(`there is no VM ${id}`);
  expect(vm).toMatchObject({ state: 'ready', kind: 'browser', desktop: { width: 1280, height: 720 } });
  guest = await openGuest(lab, vm);
  // The window's size became the screen's.
  await expect
    .poll(async () => {
      const { width, height } = await guest.screen();
      return [width, height];
    }, SLOW)
    .toEqual([1280, 800]);
  expect(found).toEqual({ foreign: [], complaints: [] });
});

test('F28, F33: the page paints the desktop: the same pixels as the X server shows, and as the screenshot by API', async () => {
  const page = await openDesktop();
  await expect
    .poll(async () => difference(await screenOf(page), await guest.screen()), SLOW)
    .toBeLessThan(0.01);
  const screen = await guest.screen();
  expect(new Set(screen.rgba.toString('latin1').match(/[^]{4}/g)).size).toBeGreaterThan(50);
  const answer = await lab.fetch(`/api/vms/${guest.vm.id}/desktop/screenshot.png`);
  expect(answer.headers.get('content-type')).toBe('image/png');
  expect(difference(readPng(Buffer.from(await answer.arrayBuffer())), screen)).toBeLessThan(0.01);
  const small = await lab.fetch(`/api/vms/${guest.vm.id}/desktop/screenshot.png?width=320`);
  expect(readPng(Buffer.from(await small.arrayBuffer()))).toMatchObject({ width: 320, height: 200 });
});

test('a page on the bridge is browsed: typed into the address bar, fetched by the VM, seen in the page', async () => {
  await using site = await openSite(
    lab.config.name,
    GATEWAY,
    SITE_PORT,
    '<!doctype html><title>Bridge</title><body style="background:#00ff00"></body>',
  );
  const page = await openDesktop();
  await page.keyboard.press('Control+l');
  await pause(1500);
  await page.keyboard.type(site.url, { delay: 60 });
  await page.keyboard.press('Enter');
  await expect.poll(() => site.requests, SLOW).toContainEqual({ path: '/', from: guest.vm.ip });
  await expect
    .poll(async () => {
      const { rgba } = await screenOf(page);
      let green = 0;
      for (let at = 0; at < rgba.length; at += 4)
        if ((rgba[at] ?? 0) < 60 && (rgba[at + 1] ?? 0) > 200 && (rgba[at + 2] ?? 0) < 60) green += 1;
      return green / (rgba.length / 4);
    }, SLOW)
    .toBeGreaterThan(0.5);
});

test('typing in the page reaches an editor in the guest', async () => {
  const page = await openDesktop();
  const editor = await openEditor('typed');
  await page.keyboard.type('iHello, Hearth: @{[~€ß]}', { delay: 80 });
  await page.keyboard.press('Escape');
  await page.keyboard.type(':w\n', { delay: 80 });
  await expect.poll(editor.saved, SLOW).toMatch(/^Hello, Hearth: @\{\[~.*\]\}\n$/);
  await editor.close();
});

test('the window is resized, and the screen of the guest with it; on a phone it is wide enough for a browser', async () => {
  const page = await openDesktop();
  for (const { window, screen } of [
    { window: { width: 1000, height: 640 }, screen: [1000, 640] },
    { window: { width: 360, height: 740 }, screen: [500, 1028] },
    { window: { width: 1280, height: 800 }, screen: [1280, 800] },
  ]) {
    await page.setViewportSize(window);
    await expect
      .poll(async () => {
        const { width, height } = await guest.screen();
        return [width, height];
      }, SLOW)
      .toEqual(screen);
    await expect
      .poll(async () => difference(await screenOf(page), await guest.screen()), SLOW)
      .toBeLessThan(0.01);
  }
});

test('the clipboard goes both ways, and 10 MB are refused in words', async () => {
  const page = await openDesktop();
  await page.getByRole('button', { name: /Show the desktop’s tools/ }).click({ force: true });
  await page.getByRole('button', { name: 'Clipboard' }).click();
  const field = page.getByRole('textbox', { name: /What you copy on the desktop/ });
  await guest.sh(`printf 'from the guest: äöü €' | xclip -selection clipboard -in`);
  await expect.poll(() => field.inputValue(), SLOW).toBe('from the guest: äöü €');

  await field.fill('from the page: äöü €\nsecond line');
  await page.getByRole('button', { name: 'Put on the desktop' }).click();
  await expect
    .poll(() => guest.sh('timeout 5 xclip -selection clipboard -out || true'), SLOW)
    .toBe('from the page: äöü €\nsecond line');

  await field.fill('x'.repeat(10_000_000));
  await page.getByRole('button', { name: 'Put on the desktop' }).click();
  await page.getByText(/a clipboard holds/).waitFor();
  expect(await guest.sh('timeout 5 xclip -selection clipboard -out || true')).toBe(
    'from the page: äöü €\nsecond line',
  );
});

test('F41: two viewers: one controls, the other’s input is dropped by the server; the control is handed over', async () => {
  const first = await openDesktop();
  const second = await openDesktop();
  await second.getByText(/You are watching/).waitFor();
  const editor = await openEditor('two');
  // A page that doesn't keep to it: a viewer of its own, in mode control, without the control.
  const rogue = await ticket({ mode: 'control', claim: false });
  await sendRaw(
    second,
    rogue.path,
    Array.from('iROGUE', (letter) => letter.charCodeAt(0)).flatMap((keysym) => [
      [4, 1, 0, 0, 0, 0, 0, keysym],
      [4, 0, 0, 0, 0, 0, 0, keysym],
    ]),
  );
  await second.keyboard.type('iWATCHER', { delay: 60 });
  await first.bringToFront();
  await first.keyboard.type('ifirst', { delay: 80 });
  await first.keyboard.press('Escape');
  await first.keyboard.type(':w\n', { delay: 80 });
  await expect.poll(editor.saved, SLOW).toBe('first\n');

  await second.bringToFront();
  await second.getByRole('button', { name: 'Take control' }).click();
  await first.getByText(/You are watching/).waitFor();
  await expect.poll(() => second.getByText(/You are watching/).count()).toBe(0);
  await second.keyboard.type('asecond', { delay: 80 });
  await second.keyboard.press('Escape');
  await second.keyboard.type(':w\n', { delay: 80 });
  await expect.poll(editor.saved, SLOW).toBe('firstsecond\n');
  await editor.close();
});

test('files: dropped on the page they land in Downloads, twice without loss, and come back', async () => {
  const page = await openDesktop();
  const bytes = randomBytes(3_000_000);
  const file = join(folder, 'naïve “name”.bin');
  await writeFile(file, bytes);
  const drop = async (): Promise<void> => {
    const transfer = await fileToDrop(page, 'naïve “name”.bin', bytes);
    for (const type of ['dragenter', 'dragover', 'drop'])
      await page.dispatchEvent('main', type, { dataTransfer: transfer });
  };
  await drop();
  await page.getByText('sent', { exact: true }).first().waitFor();
  await drop();
  await page.getByText('sent, as naïve “name” (1).bin').waitFor();
  expect(await guest.sh('cd ~/Downloads && sha256sum -- * | cut -d" " -f1 | uniq | wc -l; ls | wc -l')).toBe(
    '1\n2\n',
  );
  expect(
    await guest
      .sh('stat -c %U ~/Downloads/*(1).bin | head -1')
      .catch(() => guest.sh('stat -c %U ~/Downloads/*.bin | head -1')),
  ).toBe('hearth\n');

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'naïve “name”.bin', exact: true }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('naïve “name”.bin');
  const path = join(folder, 'back.bin');
  await download.saveAs(path);
  expect((await readFile(path)).equals(bytes)).toBe(true);

  for (const name of ['../../x', 'a/b', 'a\u0000b', 'x'.repeat(256)]) {
    const answer = await lab.fetch(`/api/vms/${guest.vm.id}/desktop/downloads/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: 'x',
    });
    expect(answer.status, name).toBe(400);
  }
  expect(await guest.sh('ls ~/Downloads | wc -l; ls / | grep -cx x || true')).toBe('2\n0\n');
});

test('tickets: forged, used, foreign and expired ones are told in words', async () => {
  const page = await browser.context.newPage();
  const other = await lab.json(['vm', 'create', '--kind', 'cli', '--no-wait']).catch(() => null);
  expect(other).not.toBeNull();
  const cases: [string, () => Promise<string>, RegExp][] = [
    ['forged', async () => randomBytes(32).toString('base64url'), /ticket is not known/i],
    [
      'used',
      async () => {
        const { ticket: secret, path } = await ticket({ mode: 'view' });
        await page.goto(`${lab.url}/signin`);
        await spend(page, path);
        return secret;
      },
      /ticket was used/i,
    ],
    [
      'expired',
      async () => {
        const { ticket: secret } = await ticket({ mode: 'view' });
        await pause(31_000);
        return secret;
      },
      /ticket has expired/i,
    ],
  ];
  for (const [name, make, words] of cases) {
    const secret = await make();
    await page.goto('about:blank');
    await page.goto(`${desktopUrl(guest.vm)}#ticket=${secret}`);
    await page
      .getByText(words)
      .first()
      .waitFor({ timeout: 30_000 })
      .catch((error: unknown) => {
        throw new Error(`${name}: ${String(error)}`);
      });
  }
  // For another VM: refused, and not spent by that.
  const { ticket: secret } = await ticket({ mode: 'view' });
  await page.goto('about:blank');
  await page.goto(`${lab.url}/vms/${(other as Vm).id}/desktop#ticket=${secret}`);
  await page
    .getByText(/ticket is for something else/i)
    .first()
    .waitFor();
});

test('a native VNC viewer works through the bridge', async () => {
  await using viewer = await openNativeViewer(lab, guest.vm, await guest.screen());
  await expect
    .poll(async () => difference(await viewer.screen(), await guest.screen()), SLOW)
    .toBeLessThan(0.02);
});

test('the display dies: the page comes back by itself', async () => {
  const page = await openDesktop();
  await guest.sh('pkill -KILL -x Xtigervnc');
  await page.getByText(/Connecting again/).waitFor({ timeout: 30_000 });
  await connectedDesktop(page, 180_000);
  await expect
    .poll(async () => difference(await screenOf(page), await guest.screen()), { ...SLOW, timeout: 180_000 })
    .toBeLessThan(0.01);
  // The browser starts again with its display, and takes the focus when it does.
  await expect
    .poll(() => guest.sh('curl -s http://127.0.0.1:9222/json/list || true'), { ...SLOW, timeout: 180_000 })
    .toContain('"title": "Hearth"');
});

test('the controller is killed and comes back: the page reconnects and keeps the control', async () => {
  const page = await openDesktop();
  process.kill(await lab.pid('controller'), 'SIGKILL');
  await page.getByText(/Connecting again/).waitFor({ timeout: 30_000 });
  await lab.up();
  await connectedDesktop(page, 60_000);
  await expect.poll(() => page.getByText(/You are watching/).count()).toBe(0);
  const editor = await openEditor('after');
  await page.keyboard.type('iafter', { delay: 80 });
  await page.keyboard.press('Escape');
  await page.keyboard.type(':w\n', { delay: 80 });
  await expect.poll(editor.saved, SLOW).toBe('after\n');
});

test('F21: the VM dies while it is watched: the page says so, with the cause and what to do', async () => {
  const page = await openDesktop();
  for (const pid of await vmmPids(lab.config)) process.kill(pid, 'SIGKILL');
  await page.getByRole('heading', { name: 'The VM ended while you watched' }).waitFor({ timeout: 60_000 });
  await page
    .getByText(/virtual machine monitor failed/i)
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'New browser VM' }).waitFor();
});
