import { expect, it } from 'vitest';
import { createLog } from './log.ts';

it('writes one JSON line each, which can be put in order with those of host and controller', () => {
  const lines: string[] = [];
  const log = createLog(
    (line) => lines.push(line),
    () => 1.5e12 + 7,
  );
  log('configured', { requestId: 'req-12345678', vmId: undefined });
  log('failed', { error: 'it\nbroke' });
  expect(lines).toEqual([
    '{"time":"2017-07-14T02:40:00.007Z","level":"info","part":"guest","message":"configured","requestId":"req-12345678"}\n',
    '{"time":"2017-07-14T02:40:00.007Z","level":"error","part":"guest","message":"failed","error":"it\\nbroke"}\n',
  ]);
});
