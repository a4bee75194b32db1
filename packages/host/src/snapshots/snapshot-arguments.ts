import { readFile } from 'node:fs/promises';
import type { ParseArgsConfig } from 'node:util';
import {
  geometrySchema,
  HearthError,
  parseConfig,
  parseWith,
  vmKindSchema,
  vmSizeSchema,
  type Config,
  type ConfigInput,
  type ImageManifest,
} from '@hearth/contract';
import { z } from 'zod';
import { readCurrentImage, readImage } from '../images/image-store.ts';
import { parseNeedles } from './hygiene/needles.ts';
import type { WantedSnapshot } from './make-golden.ts';

/** Options of `snapshot KIND` beside those of every verb; what is left out is as in a default configuration. */
export const SNAPSHOT_OPTIONS = {
  image: { type: 'string' },
  cpus: { type: 'string' },
  'mem-mib': { type: 'string' },
  'disk-mib': { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  accelerator: { type: 'string' },
  'vmm-user': { type: 'string' },
  /** File with known secrets, one a line, that must not be in the snapshot. */
  needles: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

type Values = { store: string } & { [name in keyof typeof SNAPSHOT_OPTIONS]?: string | undefined };

const numberText = z.string().regex(/^\d+$/, 'expected a whole number').transform(Number);
const acceleratorSchema = z.enum(['auto', 'kvm', 'tcg']);

export interface WantedByArguments {
  image: ImageManifest;
  wanted: WantedSnapshot;
  needles: string[];
  /** How the maker's room is to run its VM. */
  vms: NonNullable<ConfigInput['vms']>;
  /** The same again for `snapshot-inside`, with nothing left out. */
  args: string[];
}

/** Throws bad_request naming what is wrong, not_found, image_missing. */
export async function readWanted(values: Values, kindText: string | undefined): Promise<WantedByArguments> {
  const kind = parseWith(vmKindSchema, kindText, 'bad_request', 'KIND');
  const { vms, desktop } = parseConfig({}, {});
  const number = (name: 'cpus' | 'mem-mib' | 'disk-mib' | 'width' | 'height', usual: number): number =>
    values[name] === undefined ? usual : parseWith(numberText, values[name], 'bad_request', `--${name}`);
  const size = parseWith(
    z.object(vmSizeSchema.shape),
    {
      cpus: number('cpus', vms[kind].cpus),
      memMiB: number('mem-mib', vms[kind].memMiB),
      diskMiB: number('disk-mib', vms[kind].diskMiB),
    },
    'bad_request',
    'size',
  );
  const screen = { width: number('width', desktop.width), height: number('height', desktop.height) };
  const wanted = {
    ...{ kind, ...size },
    desktop: kind === 'browser' ? parseWith(geometrySchema, screen, 'bad_request', 'screen') : null,
  };
  const accelerator = parseWith(
    acceleratorSchema,
    values.accelerator ?? vms.accelerator,
    'bad_request',
    '--accelerator',
  );
  const vmmUser = values['vmm-user'] ?? vms.vmmUser;
  const image =
    values.image === undefined
      ? await readCurrentImage(values.store)
      : await readImage(values.store, values.image);
  const maker = { accelerator, vmmUser };
  return {
    ...{ image, wanted, vms: maker, needles: await readNeedles(values.needles) },
    args: [
      kind,
      ...snapshotArguments(values.store, image.id, wanted, maker),
      ...(values.needles === undefined ? [] : ['--needles', values.needles]),
    ],
  };
}

/** Options of `snapshot KIND` that say all of this. */
export function snapshotArguments(
  store: string,
  imageId: string,
  { cpus, memMiB, diskMiB, desktop }: WantedSnapshot,
  { accelerator, vmmUser }: Pick<Config['vms'], 'accelerator' | 'vmmUser'>,
): string[] {
  return [
    ...['--store', store, '--image', imageId, '--cpus', `${cpus}`, '--mem-mib', `${memMiB}`],
    ...['--disk-mib', `${diskMiB}`, '--accelerator', accelerator, '--vmm-user', vmmUser],
    ...(desktop === null ? [] : ['--width', `${desktop.width}`, '--height', `${desktop.height}`]),
  ];
}

async function readNeedles(path: string | undefined): Promise<string[]> {
  if (path === undefined) return [];
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new HearthError('bad_request', `--needles: ${path} can't be read`, { cause });
  }
  const { needles, tooShort } = parseNeedles(text);
  if (tooShort > 0)
    throw new HearthError(
      'bad_request',
      `--needles: ${tooShort} lines are too short to be found but by chance`,
    );
  return needles;
}
