import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { VNC_PORT, type Vm } from '@hearth/contract';
import { makeLab, type HearthLab } from '@hearth/testing';
import { openBrowser, signIn, type TestBrowser } from '../../e2e/browser.ts';
import { createGuest, type Guest } from '../../e2e/desktop/guest.ts';
import { connectHost } from '../../packages/controller/src/host-link/unix-socket.ts';
import type { Echo, EchoPlan } from './echo-plan.ts';
import type { NativeEchoInput } from './native-echo.ts';
import { pageEchoes } from './page-echo.ts';
import { context, figure, median, say, type Figure } from './report.ts';

const SCREEN = { width: 1280, height: 720 };
/** First presses of a block, which aren't counted. */
const WARM_UP = 5;
const PLAN: EchoPlan = { presses: WARM_UP + 20, restMs: 100, timeoutMs: 20_000, mostPixels: 5000 };
const BLOCK_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 60_000;
/** A window takes its size and the focus a moment after its program runs. */
const SETTLE_MS = 5000;
/** Leaving a page, its connection to the guest ends a moment later; only one viewer at a time burdens the guest. */
const BETWEEN_MS = 1000;

/**
 * How long a key takes to be seen in an xterm of a browser VM: through Debian's Chromium on the desktop's page, and through a
 * VNC client that talks to the VM's VNC server itself; in turn, never both at once.
 * @param blocks of 20 echoes each way
 */
export async function keyEcho(blocks: number): Promise<{ figures: Figure[]; accelerator: string }> {
  const lab = await makeLab();
  let browser: TestBrowser | null = null;
  try {
    await lab.up();
    const accelerator = await acceleratorOf(lab);
    const guest = await createGuest(lab);
    await openTerminal(guest);
    const password = await vncPassword(lab, guest.vm);
    browser = await openBrowser({ viewport: SCREEN });
    const page = await signIn(browser.context, lab);
    const native: Echo[] = [];
    const inPage: Echo[] = [];
    const measureNative = async (): Promise<void> => {
      const echoes = await nativeEchoes(lab, { ip: guest.vm.ip ?? '', port: VNC_PORT, password, plan: PLAN });
      native.push(...echoes.slice(WARM_UP));
    };
    const measurePage = async (): Promise<void> => {
      const echoes = await pageEchoes(page, `${lab.url}/vms/${guest.vm.id}/desktop`, PLAN);
      inPage.push(...echoes.slice(WARM_UP));
    };
    // The first picture of a page gives the screen its size.
    await pageEchoes(page, `${lab.url}/vms/${guest.vm.id}/desktop`, { ...PLAN, presses: 1 });
    for (let block = 1; block <= blocks; block += 1) {
      for (const measure of block % 2 === 0 ? [measurePage, measureNative] : [measureNative, measurePage]) {
        await pause(BETWEEN_MS);
        await measure();
      }
      const words = [native, inPage].map((echoes) => seen(echoes.slice(WARM_UP - PLAN.presses)).toFixed(1));
      say(`key echo, block ${block}: native ${words[0]} ms, page ${words[1]} ms`);
    }
    const frames = inPage.map(({ frameMs }) => frameMs ?? Number.NaN);
    return {
      accelerator,
      figures: [
        figure('key echo through the page / native VNC client', seen(inPage) / seen(native), 'ratio', {
          most: 1.3,
        }),
        context('  native VNC client (median)', seen(native), 'ms'),
        context('  through the page (median)', seen(inPage), 'ms'),
        context('  through the page, with the wait for a frame', median(frames), 'ms'),
      ],
    };
  } finally {
    await browser?.[Symbol.asyncDispose]();
    await lab.dispose();
  }
}

const seen = (echoes: readonly Echo[]): number => median(echoes.map(({ seenMs }) => seenMs));

async function acceleratorOf(lab: HearthLab): Promise<string> {
  const { checks } = (await (await lab.fetch('/health')).json()) as { checks: { detail: string }[] };
  return checks.some(({ detail }) => detail.includes('QEMU with kvm')) ? 'kvm' : 'tcg';
}

/** Covers the whole desktop, so that nothing but the echo changes; what is typed goes nowhere. */
async function openTerminal(guest: Guest): Promise<void> {
  await guest.start(`xterm -fullscreen -e sh -c 'touch /tmp/echo; exec cat > /dev/null'`);
  const endMs = performance.now() + START_TIMEOUT_MS;
  while ((await guest.sh('ls /tmp/echo 2>/dev/null || true')) === '') {
    if (performance.now() > endMs) throw new Error('the terminal does not start');
    await pause(500);
  }
  await pause(SETTLE_MS);
}

/** The host daemon hands it to whoever may open the desktop. */
async function vncPassword(lab: HearthLab, vm: Vm): Promise<string> {
  const host = connectHost(join(lab.config.runDir, 'host.sock'));
  const { socket, password } = await host.openDesktop(vm.id, { signal: AbortSignal.timeout(15_000) });
  socket.destroy();
  return password.reveal();
}

async function nativeEchoes(lab: HearthLab, input: NativeEchoInput): Promise<Echo[]> {
  // It must not outlive a bench that is killed.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${lab.config.name}`],
      ...[process.execPath, '--disable-warning=ExperimentalWarning'],
      join(import.meta.dirname, 'native-echo.ts'),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'], timeout: BLOCK_TIMEOUT_MS, killSignal: 'SIGKILL' },
  );
  child.stdin.end(JSON.stringify(input));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [output, [code]] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`the VNC client ended with ${String(code)}`);
  return JSON.parse(output) as Echo[];
}
