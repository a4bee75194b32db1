/** Boundaries of the house (docs/architecture.md). packages/testing plants a violation and checks that it is caught. */
const only = (from, to) => ({
  name: `${from.replace(/\W+/g, '-')}-imports-only`,
  severity: 'error',
  from: { path: `^packages/${from}/src`, pathNot: '(\\.test|/test-[a-z-]+)\\.ts$' },
  to: { path: '^packages/', pathNot: `^packages/(${[from, ...to].join('|')})/` },
});

module.exports = {
  forbidden: [
    only('contract', []),
    only('rfb', []),
    only('controller', ['contract', 'rfb']),
    only('host', ['contract', 'rfb']),
    only('guest-agent', ['contract', 'rfb']),
    only('cli', ['sdk', 'contract']),
    only('web', ['sdk', 'contract']),
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment: 'Rules and state tables do no I/O and know no adapter.',
      from: { path: '^packages/controller/src/domain', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^packages/(contract|controller/src/domain)/' },
    },
    {
      name: 'routes-are-thin',
      severity: 'error',
      comment: 'HTTP knows services and domain, never the database.',
      from: { path: '^packages/controller/src/http', pathNot: '\\.test\\.ts$' },
      to: { path: '^packages/controller/src/store' },
    },
    {
      name: 'child-processes-in-one-place',
      severity: 'error',
      from: {
        path: '^packages/(contract|rfb|controller|host|guest-agent|cli|web)/src',
        pathNot: ['/src/exec/', '\\.test\\.ts$'],
      },
      to: { path: '^(node:)?child_process$|node_modules/execa/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|coverage)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
