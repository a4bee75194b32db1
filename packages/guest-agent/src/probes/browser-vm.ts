import { HearthError, type GuestDisplay } from '@hearth/contract';
import { countColours, joinServer, resizeScreen, type RfbDialogue, type ServerInit } from '@hearth/rfb';
import { get } from 'node:http';
import type { Probe } from './probe.ts';
import { talkRfb } from './rfb-connection.ts';

export const DEVTOOLS_PORT = 9222;

/** A cursor on an empty screen stays below this share; a window, whatever it shows, is above. */
const PAINTED_SHARE = 0.02;
/** Lines that are looked at: a whole screen, every few seconds, is too much for an emulated CPU. */
const SAMPLE_LINES = 32;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface BrowserVmPorts {
  vnc: number;
  devtools: number;
}

/**
 * What a browser VM must prove to be ready (F7, F33, F34): display of the size asked for, painted desktop, browser.
 * @param reached sizes that the screen had as asked; outlives the probes, so that a new password resizes no screen anew
 */
export function browserVmProbes(
  { vnc, devtools }: BrowserVmPorts,
  display: GuestDisplay,
  isFrozen: () => Promise<boolean>,
  reached = new Set<string>(),
): Probe[] {
  const ask = <T>(question: (init: ServerInit) => RfbDialogue<T>, signal: AbortSignal): Promise<T> =>
    talkRfb(vnc, joined(display.vncPassword, question), signal);
  return [
    displayProbe(ask, display, reached),
    {
      name: 'desktop',
      // It is the browser that paints it.
      after: ['display', 'browser'],
      check: async (signal) => {
        const { pixels, commonest } = await ask((init) => countColours(init, SAMPLE_LINES), signal);
        if (pixels - commonest < pixels * PAINTED_SHARE)
          throw new HearthError('guest_not_ready', 'the screen is of one colour');
        return 'painted';
      },
    },
    { name: 'browser', after: ['display'], check: (signal) => askBrowser(devtools, signal), isFrozen },
  ];
}

type Ask = <T>(question: (init: ServerInit) => RfbDialogue<T>, signal: AbortSignal) => Promise<T>;

function* joined<T>(password: string, question: (init: ServerInit) => RfbDialogue<T>): RfbDialogue<T> {
  return yield* question(yield* joinServer(password));
}

/** Until the screen once had the size asked for, it is told to; afterwards it has the size that its viewers give it. */
function displayProbe(ask: Ask, { geometry }: GuestDisplay, reached: Set<string>): Probe {
  const wanted = sizeText(geometry);
  function* measure(init: ServerInit): RfbDialogue<string> {
    if (reached.has(wanted) || sizeText(init) === wanted) return sizeText(init);
    try {
      return sizeText(yield* resizeScreen(init, geometry.width, geometry.height));
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new HearthError('guest_not_ready', `${sizeText(init)}, ${wanted} was asked for: ${cause}`);
    }
  }
  return {
    name: 'display',
    check: async (signal) => {
      const size = await ask(measure, signal);
      if (size === wanted) reached.add(wanted);
      if (!reached.has(wanted)) throw new HearthError('guest_not_ready', `${size}, ${wanted} was asked for`);
      return size;
    },
  };
}

function sizeText({ width, height }: { width: number; height: number }): string {
  return `${width}x${height}`;
}

/** Asks Chromium's DevTools for its version. */
async function askBrowser(port: number, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = get(
    { host: '127.0.0.1', port, path: '/json/version', signal, agent: false },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'));
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(browserVersion(response.statusCode, text));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    },
  );
  request.on('error', reject);
  return promise;
}

function browserVersion(status: number | undefined, text: string): string {
  if (status !== 200) throw new HearthError('guest_not_ready', `DevTools answered ${status ?? 'nothing'}`);
  const answer: unknown = JSON.parse(text);
  if (
    typeof answer === 'object' &&
    answer !== null &&
    'Browser' in answer &&
    typeof answer.Browser === 'string'
  )
    return answer.Browser.slice(0, 100);
  throw new HearthError('guest_not_ready', 'DevTools named no browser');
}
