import type { DesktopState, Viewer, ViewerId } from '@hearth/contract';

/** How one viewer stands to the control of a desktop. */
export interface ControlSituation {
  /** Its keys and pointer reach the desktop. */
  controls: boolean;
  /** Who has the control, where somebody else has. */
  controller: Viewer | null;
  /** May take the control at once. */
  mayTake: boolean;
  /** May ask for it. */
  mayAsk: boolean;
  /** Asked and waits. */
  asked: boolean;
  /** Who asks this viewer, in order. */
  askedBy: readonly Viewer[];
  /** Whom this viewer may give it. */
  mayGiveTo: readonly Viewer[];
}

/**
 * @param me null while this page has no place among the viewers
 * @param privileged the VM's owner or an administrator
 */
export function controlSituation(
  { viewers, controllerId, requests }: DesktopState,
  me: ViewerId | null,
  privileged: boolean,
): ControlSituation {
  const own = viewers.find(({ id }) => id === me);
  const controls = own !== undefined && controllerId === own.id;
  const controller = controls ? null : (viewers.find(({ id }) => id === controllerId) ?? null);
  const able = own?.mode === 'control' && !controls;
  const asked = own !== undefined && requests.includes(own.id);
  const others = viewers.filter(({ id, mode }) => id !== me && mode === 'control');
  return {
    controls,
    controller,
    mayTake: able && (privileged || controllerId === null),
    mayAsk: able && !asked && controllerId !== null && !privileged,
    asked,
    askedBy: controls ? requests.flatMap((id) => others.filter((other) => other.id === id)) : [],
    mayGiveTo: controls ? others.filter(({ connected }) => connected) : [],
  };
}
