import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startStandIn, type StandInOptions } from './server.ts';

const USAGE = `Stands in for the providers' model and sign-in servers. While it runs, POST /__stand-in/… switches it (control.ts).
  --port N          port, default 8787; 0 takes a free one
  --address A       default 127.0.0.1
  --reply TEXT      the answer to every prompt; {prompt} in it becomes the prompt
  --delay-ms N      wait before each word of the answer
  --expect-key KEY  the only key that is taken (any other gets 401)
  --fail STATUS     refuse every model call with this status
  --canary WORD     in every token that it issues
  --tls DIR         answer the providers' own names with TLS too; DIR holds the authority, made where it is missing
  --tls-address A   default 127.0.0.1
  --tls-port N      default 443
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
      canary: { type: 'string' },
      tls: { type: 'string' },
      'tls-address': { type: 'string', default: '127.0.0.1' },
      'tls-port': { type: 'string', default: '443' },
      log: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { reply, log, canary, tls } = values;
  const delayMs = wholeNumber('--delay-ms', values['delay-ms'], 0, 600_000);
  const failStatus = wholeNumber('--fail', values.fail, 400, 599);
  return {
    address: values.address,
    port: wholeNumber('--port', values.port, 0, 65_535) ?? 0,
    ...(reply === undefined ? {} : { reply }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(values['expect-key'] === undefined ? {} : { expectKey: values['expect-key'] }),
    ...(failStatus === undefined ? {} : { failStatus }),
    ...(canary === undefined ? {} : { canary }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            folder: tls,
            address: values['tls-address'],
            port: wholeNumber('--tls-port', values['tls-port'], 0, 65_535) ?? 443,
          },
        }),
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
    process.stdout.write(
      `listening ${standIn.url}${standIn.tls === null ? '' : ` tls ${standIn.tls.port}`}\n`,
    );
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void standIn.stop());
  }
} catch (error) {
  process.stderr.write(`stand-in: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
