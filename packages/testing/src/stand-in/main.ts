import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startStandIn, type StandInOptions } from './server.ts';

const USAGE = `Stands in for the providers' model servers.
  --port N          port, default 8787; 0 takes a free one
  --address A       default 127.0.0.1
  --reply TEXT      the answer to every prompt; {prompt} in it becomes the prompt
  --delay-ms N      wait before each word of the answer
  --expect-key KEY  the only key that is taken (any other gets 401)
  --fail STATUS     refuse every model call with this status
  --log FILE        append one JSON line for each request, keys masked
`;

function readOptions(args: string[]): StandInOptions | null {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '8787' },
      address: { type: 'string', default: '127.0.0.1' },
      reply: { type: 'string' },
      'delay-ms': { type: 'string' },
      'expect-key': { type: 'string' },
      fail: { type: 'string' },
      log: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { reply, log } = values;
  const delayMs = wholeNumber('--delay-ms', values['delay-ms'], 0, 600_000);
  const failStatus = wholeNumber('--fail', values.fail, 400, 599);
  return {
    address: values.address,
    port: wholeNumber('--port', values.port, 0, 65_535) ?? 0,
    ...(reply === undefined ? {} : { reply }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(values['expect-key'] === undefined ? {} : { expectKey: values['expect-key'] }),
    ...(failStatus === undefined ? {} : { failStatus }),
    ...(log === undefined
      ? {}
      : {
          onRequest: (record) => {
            appendFileSync(log, `${JSON.stringify(record)}\n`);
          },
        }),
  };
}

function wholeNumber(
  name: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new Error(`${name} expects a number from ${least} to ${most}`);
  return value;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(USAGE);
  } else {
    const standIn = await startStandIn(options);
    process.stdout.write(`listening ${standIn.url}\n`);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void standIn.stop());
  }
} catch (error) {
  process.stderr.write(`stand-in: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
