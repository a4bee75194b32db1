import { HearthError } from '@hearth/contract';
import { get } from 'node:http';
import type { Probe } from './probe.ts';
import { countPixels, shakeHands } from './rfb.ts';
import { talkRfb } from './rfb-connection.ts';

export const VNC_PORT = 5900;
export const DEVTOOLS_PORT = 9222;

/** A cursor on an empty screen stays below this share; a window, whatever it shows, is above. */
const PAINTED_SHARE = 0.02;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface BrowserVmPorts {
  vnc: number;
  devtools: number;
}

/** What a browser VM must prove to be ready (F7, F33): display, painted desktop, browser. */
export function browserVmProbes({ vnc, devtools }: BrowserVmPorts): Probe[] {
  return [
    {
      name: 'display',
      check: async (signal) => {
        const { width, height } = await talkRfb(vnc, shakeHands(), signal);
        return `${width}x${height}`;
      },
    },
    {
      name: 'desktop',
      check: async (signal) => {
        const { pixels, commonest } = await talkRfb(vnc, countPixels(), signal);
        if (pixels - commonest < pixels * PAINTED_SHARE)
          throw new HearthError('guest_not_ready', 'the screen is of one colour');
        return 'painted';
      },
    },
    { name: 'browser', check: (signal) => askBrowser(devtools, signal) },
  ];
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
