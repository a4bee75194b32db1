import { mkdir } from 'node:fs/promises';
import { asHearthError, execEventSchema, parseConfig, readEvents } from '@hearth/contract';
import { makeGolden } from '../../packages/host/src/snapshots/make-golden.ts';
import { uncleanInputSchema, type UncleanOutcome } from './unclean-messages.ts';

// Makes a golden snapshot of a CLI VM in which something was done first. Runs in a namespace of its own; input by argv; prints what
// came of it.
const PLANT_TIMEOUT_MS = 60_000;
const {
  config: raw,
  image,
  size,
  needles,
  plant,
} = uncleanInputSchema.parse(JSON.parse(process.argv[2] ?? ''));
const config = parseConfig(raw, {});
for (const folder of [config.stateDir, config.runDir]) await mkdir(folder, { recursive: true, mode: 0o755 });
const outcome: UncleanOutcome = { error: null };
try {
  await makeGolden({
    ...{ config, image, needles, wanted: { kind: 'cli', ...size, desktop: null } },
    signal: new AbortController().signal,
    onStage: () => undefined,
    log: (message, fields) => process.stderr.write(`${message} ${JSON.stringify(fields ?? {})}\n`),
    beforeSave: async (agents, endpoint) => {
      const answer = await agents.forward(endpoint, {
        ...{ method: 'POST', path: '/exec', contentType: 'application/json', requestId: 'plant' },
        body: JSON.stringify({ command: ['sh', '-ec', plant], user: 'root' }),
        signal: AbortSignal.timeout(PLANT_TIMEOUT_MS),
      });
      for await (const event of readEvents(answer.body, execEventSchema))
        if (event.type === 'exit' && event.exitCode !== 0)
          throw new Error(`it was not planted: ${event.exitCode}`);
    },
  });
} catch (error) {
  const { code, detail } = asHearthError(error);
  outcome.error = { code, detail };
}
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit(0);
