import fc from 'fast-check';
import { expect, it } from 'vitest';
import { makeEventParser, type ServerEvent } from './event-stream.ts';

function parse(...chunks: string[]): ServerEvent[] {
  const events: ServerEvent[] = [];
  const take = makeEventParser((event) => events.push(event));
  for (const chunk of chunks) take(chunk);
  return events;
}

it('reads events with their names, joins lines of data, skips comments and unknown fields', () => {
  expect(
    parse(': beat\n\nid: 4\nevent: vm\ndata: {"a":1}\n\ndata: one\ndata:two\ndata\n\nevent: x\n\n'),
  ).toEqual([
    { event: 'vm', data: '{"a":1}' },
    { event: 'message', data: 'one\ntwo\n' },
  ]);
});

it('reads the same however the stream is cut', () => {
  const text = 'event: vm\r\ndata: {"ä":1}\r\n\r\n: beat\n\ndata: b\rdata: c\n\n';
  const whole = parse(text);
  expect(whole).toHaveLength(2);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(text.length)), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      expect(parse(...at.slice(1).map((end, index) => text.slice(at[index], end)))).toEqual(whole);
    }),
  );
});

it('keeps what has no end yet, and refuses what never gets one', () => {
  expect(parse('data: half')).toEqual([]);
  expect(() => parse('data: ' + 'x'.repeat(5 * 1024 * 1024))).toThrow(/too long/);
});
