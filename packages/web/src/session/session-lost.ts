/** Told wherever the controller says that it doesn't know who we are. */
const listeners = new Set<() => void>();

/** @returns ends the subscription */
export function onSessionLost(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function announceSessionLost(): void {
  for (const listener of listeners) listener();
}
