import { afterEach, expect, it } from 'vitest';
import { startOrderTaker, type OrderTaker } from './order-taker.ts';

let taker: OrderTaker | undefined;
afterEach(() => taker?.stop());

/** A shell as the program. */
function start(script: string, timeoutMs = 5000): { taker: OrderTaker; said: string[] } {
  const said: string[] = [];
  taker = startOrderTaker({
    program: 'sh',
    args: ['-c', script],
    log: (text) => void said.push(text),
    timeoutMs,
  });
  return { taker, said };
}

it('carries out orders in turn, by one program', async () => {
  const { taker: orders } = start(
    'n=0; while read -r a b; do n=$((n+1)); [ "$b" = $n ] && echo ok || echo "error this is order $n"; done',
  );
  await Promise.all([orders.send('order 1'), orders.send('order 2'), orders.send('order 3')]);
  await expect(orders.send('order 9')).rejects.toThrow('sh: this is order 4');
  await orders.send('order 5');
});

it('names why the program ended, and starts it anew for the next order', async () => {
  const { taker: orders, said } = start(
    'read -r line; case $line in die) echo "no device" >&2; exit 3;; *) echo ok; read -r more;; esac',
  );
  await expect(orders.send('die')).rejects.toThrow('it ended (3): no device');
  await orders.send('live');
  expect(said).toEqual(['taker of orders ended']);
});

it('ends a program that does not answer, so that a late answer is not the next one’s', async () => {
  const { taker: orders } = start(
    'read -r line; if [ "$line" = hang ]; then sleep 60; fi; echo ok; read -r more',
    300,
  );
  await expect(orders.send('hang')).rejects.toThrow('did not answer within 300 ms');
  await orders.send('live');
});

it('names a program that is not there', async () => {
  taker = startOrderTaker({ program: '/nowhere/take-identity', log: () => undefined });
  await expect(taker.send('x')).rejects.toThrow('ENOENT');
  taker.stop();
  await expect(taker.send('x')).rejects.toThrow('was stopped');
});
