import { viewerIdSchema, type ViewerId } from '@hearth/contract';
import { z } from 'zod';

/** A viewer's place at a desktop: with it a connection takes up where the last one ended. */
export interface ViewerPlace {
  viewerId: ViewerId;
  hadControl: boolean;
}

const placeSchema = z.object({ viewerId: viewerIdSchema, hadControl: z.boolean() });
const keyOf = (vmId: string): string => `hearth-viewer-${vmId}`;

/** Leaves the place for this tab's next page, e.g. after loading it again. */
export function leavePlace(vmId: string, place: ViewerPlace): void {
  sessionStorage.setItem(keyOf(vmId), JSON.stringify(place));
}

/** Takes it up, once: a tab that is made from this one gets a place of its own. */
export function takeUpPlace(vmId: string): ViewerPlace | null {
  const kept = sessionStorage.getItem(keyOf(vmId));
  sessionStorage.removeItem(keyOf(vmId));
  if (kept === null) return null;
  try {
    return placeSchema.parse(JSON.parse(kept));
  } catch {
    // Written by another version of the page: a new place does as well.
    return null;
  }
}
