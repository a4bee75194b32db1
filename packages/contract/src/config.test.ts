import { expect, test } from 'vitest';
import { parseConfig } from './config.ts';

test('an empty configuration has every default', () => {
  const config = parseConfig({}, {});
  expect(config).toMatchObject({
    name: 'hearth',
    stateDir: '/var/lib/hearth/hearth',
    network: { subnet: '192.168.100.0/24' },
  });
});

test('F5: an unknown key stops the start and is named', () => {
  expect(() => parseConfig({ network: { subnett: '10.0.0.0/24' } }, {})).toThrow(
    /network\.subnett: is not a known key/,
  );
  expect(() => parseConfig({}, { HEARTH_SUBNETT: '10.0.0.0/24' })).toThrow(/HEARTH_SUBNETT is not known/);
});

test('F5: a subnet that is not a network address is refused with the right one', () => {
  expect(() => parseConfig({ network: { subnet: '10.0.0.7/24' } }, {})).toThrow(
    /did you mean 10\.0\.0\.0\/24/,
  );
  expect(() => parseConfig({ network: { subnet: '10.0.0.0/24', transitSubnet: '10.0.0.0/30' } }, {})).toThrow(
    /overlaps/,
  );
});

test('the environment overrides the file', () => {
  expect(
    parseConfig({ controller: { port: 4000 } }, { HEARTH_PORT: '4100', PATH: '/bin' }).controller.port,
  ).toBe(4100);
});

test('F12: a default below the minimum of its kind is refused', () => {
  expect(() => parseConfig({ vms: { browser: { memMiB: 768 } } }, {})).toThrow(/vms\.browser\.memMiB/);
});

test('arguments of a kernel that golden snapshots never boot are refused with both keys', () => {
  const vms = { kernelArguments: ['mitigations=off'] };
  expect(() => parseConfig({ vms }, {})).toThrow(/vms\.kernelArguments: .*vms\.snapshots\.golden/);
  const config = parseConfig({ vms: { ...vms, snapshots: { golden: false } } }, {});
  expect(config.vms.kernelArguments).toEqual(vms.kernelArguments);
});
