import {
  encodeLine,
  guestSigninOrderSchema,
  HearthError,
  openUrlSchema,
  pasteCodeSchema,
} from '@hearth/contract';
import { sendJson } from '../http/answer.ts';
import { readJson } from '../http/body.ts';
import type { Route } from '../http/context.ts';
import { isOver } from './login-progress.ts';
import type { SigninService } from './signin-service.ts';

const BEAT_MS = 5000;

/** PUT/GET /signin, GET /signin/events, POST /signin/code, /signin/open-url and /signin/cancel. */
export function signinRoutes(signins: SigninService): { routes: Route[]; stop(): void } {
  const streams = new Set<() => void>();

  const events: Route['handle'] = async ({ response }) => {
    if (signins.current() === null) throw new HearthError('not_found', 'no sign-in was begun in this VM');
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    const end = (): void => {
      clearInterval(beat);
      unwatch();
      streams.delete(end);
      response.end();
    };
    const say = (): void => {
      const signin = signins.current();
      if (signin === null) return;
      // Each line is the whole: a slow reader misses those in between.
      if (!response.writableNeedDrain) response.write(encodeLine(signin));
      if (!isOver({ signin })) return;
      if (response.writableNeedDrain) response.write(encodeLine(signin));
      end();
    };
    const beat = setInterval(say, BEAT_MS);
    const unwatch = signins.onChange(say);
    streams.add(end);
    response.once('close', end);
    say();
  };

  return {
    routes: [
      {
        method: 'PUT',
        path: /^\/signin$/,
        handle: async ({ request, response }) => {
          const { signin, isNew } = signins.order(await readJson(request, guestSigninOrderSchema));
          sendJson(response, isNew ? 201 : 200, signin);
        },
      },
      {
        method: 'GET',
        path: /^\/signin$/,
        handle: async ({ response }) => {
          const signin = signins.current();
          if (signin === null) throw new HearthError('not_found', 'no sign-in was begun in this VM');
          sendJson(response, 200, signin);
        },
      },
      { method: 'GET', path: /^\/signin\/events$/, handle: events },
      {
        method: 'POST',
        path: /^\/signin\/code$/,
        handle: async ({ request, response }) => {
          const { code } = await readJson(request, pasteCodeSchema);
          sendJson(response, 200, signins.typeCode(code));
        },
      },
      {
        method: 'POST',
        path: /^\/signin\/open-url$/,
        handle: async ({ request, response }) => {
          const { url } = await readJson(request, openUrlSchema);
          sendJson(response, 200, await signins.openUrl(url));
        },
      },
      {
        method: 'POST',
        path: /^\/signin\/cancel$/,
        handle: async ({ response }) => sendJson(response, 200, signins.cancel()),
      },
    ],
    stop: () => {
      signins.stop();
      for (const end of streams) end();
    },
  };
}
