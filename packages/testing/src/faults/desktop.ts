import type { Fault } from './fault.ts';
import { inTurn, maskUnit, unmaskUnit } from './guest-lines.ts';

/** What a browser VM shows. */

const masked = (unit: string): Pick<Fault, 'kind' | 'inject' | 'awaits'> => ({
  kind: 'browser',
  inject: (room) => room.guest(inTurn(maskUnit(unit), `systemctl stop ${unit}`)),
  awaits: async (room) => {
    const state = await room.guest(`systemctl is-active ${unit} || true`);
    return state === 'active\n' || state === 'deactivating\n' ? `${unit} is ${state}` : null;
  },
});

export const desktopFaults: readonly Fault[] = [
  {
    name: 'browser_dead',
    title: 'the browser’s unit is masked and stopped',
    expects: 'browser_dead',
    ...masked('hearth-browser.service'),
    undo: (room) =>
      room.guest(inTurn(unmaskUnit('hearth-browser.service'), 'systemctl start hearth-browser.service')),
    spoils: false,
  },
  {
    name: 'display_dead',
    title: 'the X server’s unit is masked and stopped',
    expects: 'display_dead',
    ...masked('hearth-display.service'),
    undo: null,
    spoils: true,
  },
];
