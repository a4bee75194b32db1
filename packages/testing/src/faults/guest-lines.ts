/** Shell lines for a guest. */

const folder = '/etc/systemd/system';
const kept = (unit: string): string => `/run/hearth-fault-${unit}`;

export const inTurn = (...lines: readonly string[]): string => lines.join('; ');

/** `systemctl mask` refuses a unit whose own file lies in /etc. */
export const maskUnit = (unit: string): string =>
  inTurn(
    `cp ${folder}/${unit} ${kept(unit)}`,
    `ln -sf /dev/null ${folder}/${unit}`,
    'systemctl daemon-reload',
  );

/** Does nothing where it was not masked. */
export const unmaskUnit = (unit: string): string =>
  `if [ -e ${kept(unit)} ]; then rm ${folder}/${unit}; cp ${kept(unit)} ${folder}/${unit}; rm ${kept(unit)}; systemctl daemon-reload; fi`;
