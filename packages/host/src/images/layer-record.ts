import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageManifestSchema, parseWith } from '@hearth/contract';
import { z } from 'zod';
import { isMissing } from './missing-file.ts';

const { kernel, initrd, layers, packages, tools, agent } = imageManifestSchema.shape;

/** layer.json of a base layer: its part of the manifests of all images that use it. Written last, so it says "whole". */
export const baseLayerSchema = z.strictObject({
  hash: z.string(),
  inputsHash: z.string(),
  suite: z.string(),
  kernel,
  initrd,
  layer: layers.element,
  packages,
  tools,
  allocatedBytes: z.number(),
});
export type BaseLayer = z.infer<typeof baseLayerSchema>;

export const agentLayerSchema = z.strictObject({
  hash: z.string(),
  layer: layers.element,
  agent,
  allocatedBytes: z.number(),
});
export type AgentLayer = z.infer<typeof agentLayerSchema>;

/** Reads layer.json; null where the layer isn't there. */
export async function readLayer<T extends z.ZodType>(folder: string, schema: T): Promise<z.infer<T> | null> {
  const path = join(folder, 'layer.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  return parseWith(schema, JSON.parse(text), 'internal', path);
}
