import type { Layer } from '../layers.ts';

export interface ErrorEntry {
  /** HTTP status. */
  status: number;
  title: string;
  /** May the same request succeed later, unchanged? */
  retryable: boolean;
  layer: Layer;
  /** What the reader can do about it. */
  hint: string;
}
