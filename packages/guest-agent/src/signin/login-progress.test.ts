import { HearthError, type LoginSign } from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advance,
  firstState,
  isOver,
  type LoginEffect,
  type LoginEvent,
  type LoginRules,
  type LoginState,
} from './login-progress.ts';

const order = { sessionId: 'sgn-000000000000', provider: 'codex', method: 'pasted_code' } as Parameters<
  typeof firstState
>[0];
const rules = (login: Partial<LoginRules['login']> = {}): LoginRules => ({
  login: { browser: 'desktop', restartAfterRefusal: false, ...login },
  provider: { title: 'Fake', allowedUrls: [{ host: 'auth.example.org', pathPrefix: '/' }] },
  now: () => new Date(0),
});
const link = 'https://auth.example.org/authorize?a=1';
const output = (text: string, ...signs: LoginSign[]): LoginEvent => ({ type: 'output', text, signs });
const whole = { ok: true, account: 'ada', expiresAtMs: null, refreshable: true } as const;

function run(events: LoginEvent[], chosen = rules()): { state: LoginState; effects: LoginEffect[] } {
  let state = firstState(order);
  const effects: LoginEffect[] = [];
  for (const event of events) {
    const next = advance(state, event, chosen);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}

describe('a login', () => {
  it('goes from the link over the credential to the status', () => {
    const { state, effects } = run([
      { type: 'link', url: link },
      { type: 'credential', parsed: { ok: false, reason: 'half' } },
      { type: 'credential', parsed: whole },
      { type: 'exited', exitCode: 1, words: '' },
      { type: 'status', signedIn: true, words: '' },
    ]);
    expect(state.signin).toMatchObject({ phase: 'signed_in', account: 'ada', oauthUrl: link, failure: null });
    expect(effects).toEqual([{ type: 'open', url: link }, { type: 'ask-status' }, { type: 'end' }]);
  });

  it('takes a printed link as the second source, whole once it is', () => {
    const { state, effects } = run([
      output('x', { type: 'url', url: link.slice(0, -3) }),
      output('x', { type: 'url', url: link }),
    ]);
    expect(state.signin).toMatchObject({ phase: 'awaiting_user', oauthUrl: link });
    expect(effects).toEqual([{ type: 'open-later' }]);
    const both = run([{ type: 'link', url: link }, output('x', { type: 'url', url: `${link}&paste=1` })]);
    expect(both.state.signin.oauthUrl).toBe(link);
    expect(both.effects).toEqual([{ type: 'open', url: link }]);
  });

  it.each([
    { type: 'link', url: 'https://evil.example.net/authorize?secret=1' } as const,
    output('x', { type: 'url', url: 'https://evil.example.net/authorize?secret=1' }),
    output('x', { type: 'device_code', code: 'AB-12', url: 'https://evil.example.net/x?secret=1' }),
  ])('never opens a link that is not of the sign-in, and says so', (event) => {
    const { state, effects } = run([event]);
    expect(effects).toEqual([]);
    expect(state.signin).toMatchObject({ phase: 'starting', oauthUrl: null });
    expect(state.notes).toEqual([
      'Not opened, since it is no page of this sign-in: https://evil.example.net',
    ]);
  });

  it('answers each question once', () => {
    const question = { type: 'answer', question: 'trust?', keys: 'y\r' } as const;
    expect(run([output('a', question), output('ab', question)]).effects).toEqual([
      { type: 'type', keys: 'y\r' },
    ]);
  });

  it('tells each refusal of a code, and asks again', () => {
    const wanted = { type: 'code_wanted' } as const;
    const refused = { type: 'code_refused', words: 'Invalid code' } as const;
    const first = [output('Code:', wanted), { type: 'code_typed' }] satisfies LoginEvent[];
    // The prompt still stands there: that is no new question.
    expect(run([...first, output('Code:', wanted)]).state.signin).toMatchObject({ wantsCode: false });
    const again = [...first, output('Code: Invalid code Code:', wanted, refused)];
    expect(run(again).state.signin).toMatchObject({ wantsCode: true, codeRefused: 'Invalid code' });
    const second = [...again, { type: 'code_typed' }] satisfies LoginEvent[];
    const still = output('Code: Invalid code Code: ***', wanted, refused);
    expect(run([...second, still]).state.signin).toMatchObject({ wantsCode: false, codeRefused: null });
    const more = output('Code: Invalid code Code: *** Invalid code', wanted, refused);
    expect(run([...second, more]).state.signin).toMatchObject({
      wantsCode: true,
      codeRefused: 'Invalid code',
    });
    // A tool that draws over its screen: the refusal was gone in between.
    const redrawn = [...second, output('checking'), output('Invalid code Code:', wanted, refused)];
    expect(run(redrawn).state.signin).toMatchObject({ wantsCode: true, codeRefused: 'Invalid code' });
  });

  it('asks again where the tool refuses a code and does, even one that a refusal may end', () => {
    const { state } = run(
      [
        output('Code:', { type: 'code_wanted' }),
        { type: 'code_typed' },
        output(
          'Code: Not the full code. Code:',
          { type: 'code_wanted' },
          { type: 'code_refused', words: 'No' },
        ),
      ],
      rules({ browser: 'none', restartAfterRefusal: true }),
    );
    expect(state.signin).toMatchObject({ phase: 'awaiting_user', wantsCode: true, codeRefused: 'No' });
  });

  it('begins anew where a refused code ended the tool: the old link is gone', () => {
    const { state, effects } = run(
      [
        output('x', { type: 'url', url: link }, { type: 'code_wanted' }),
        { type: 'code_typed' },
        output('x', { type: 'url', url: link }, { type: 'code_refused', words: 'Invalid code' }),
        { type: 'exited', exitCode: 1, words: 'Invalid code' },
      ],
      rules({ browser: 'none', restartAfterRefusal: true }),
    );
    expect(effects).toEqual([{ type: 'restart' }]);
    expect(state.signin).toMatchObject({
      ...{ phase: 'awaiting_user', oauthUrl: null, wantsCode: false, codeRefused: 'Invalid code' },
    });
  });

  it('asks for the code of the new try, and begins no third one by itself', () => {
    const { state, effects } = run(
      [
        output('x', { type: 'code_refused', words: 'Invalid code' }),
        { type: 'exited', exitCode: 1, words: '' },
        output('y', { type: 'url', url: link }, { type: 'code_wanted' }),
        { type: 'exited', exitCode: 1, words: 'no answer' },
      ],
      rules({ browser: 'none', restartAfterRefusal: true }),
    );
    expect(effects).toEqual([{ type: 'restart' }, { type: 'end' }]);
    expect(state.signin).toMatchObject({ phase: 'failed', oauthUrl: link });
  });

  it.each<[string, LoginEvent, string]>([
    ['ends with an error', { type: 'exited', exitCode: 1, words: 'no network' }, 'code 1: no network'],
    ['ends without a sign-in', { type: 'exited', exitCode: 0, words: 'bye' }, 'ended without a sign-in: bye'],
    ['says that it won’t work', output('x', { type: 'failed', words: 'Not allowed' }), 'Not allowed'],
  ])('fails with the tool’s words where it %s', (_what, event, words) => {
    const { state, effects } = run([event]);
    expect(state.signin).toMatchObject({ phase: 'failed', failure: { code: 'signin_failed' } });
    expect(state.signin.failure?.detail).toContain(words);
    expect(effects).toEqual([{ type: 'end' }]);
  });

  it('F22: a credential alone is no sign-in: the tool’s status must agree', () => {
    const { state } = run([
      { type: 'credential', parsed: whole },
      { type: 'status', signedIn: false, words: 'Not logged in' },
    ]);
    expect(state.signin).toMatchObject({ phase: 'failed' });
    expect(state.signin.failure?.detail).toContain('Not logged in');
  });
});

describe('any sequence of events', () => {
  const sign = fc.oneof(
    fc.record({ type: fc.constant('url' as const), url: fc.constantFrom(link, 'https://evil.example.net/') }),
    fc.constant<LoginSign>({ type: 'code_wanted' }),
    fc.constant<LoginSign>({ type: 'code_refused', words: 'no' }),
    fc.constant<LoginSign>({ type: 'device_code', code: 'A-1', url: link }),
    fc.constant<LoginSign>({ type: 'answer', question: 'q', keys: 'y' }),
    fc.constant<LoginSign>({ type: 'failed', words: 'no way' }),
  );
  const event: fc.Arbitrary<LoginEvent> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .array(sign, { maxLength: 3 })
        .map((signs) => output('no '.repeat(signs.length), ...signs)),
    },
    fc.constantFrom<LoginEvent>({ type: 'link', url: link }, { type: 'link', url: 'file:///etc/passwd' }),
    fc.constant<LoginEvent>({ type: 'code_typed' }),
    fc.constantFrom<LoginEvent>(
      { type: 'credential', parsed: whole },
      { type: 'credential', parsed: { ok: false, reason: 'half' } },
    ),
    fc.boolean().map((signedIn): LoginEvent => ({ type: 'status', signedIn, words: 'w' })),
    fc.constantFrom<LoginEvent>({ type: 'exited', exitCode: 0, words: '' }, { type: 'cancelled' }),
    fc.constant<LoginEvent>({ type: 'broke', error: new HearthError('disk_full', 'full') }),
  );

  it('F22: ends once, never changes then, opens only what is allowed, and signs in by status alone', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        fc.boolean(),
        fc.boolean(),
        (events, restarts, none) => {
          const chosen = rules({ restartAfterRefusal: restarts, browser: none ? 'none' : 'desktop' });
          let state = firstState(order);
          let ends = 0;
          for (const one of events) {
            const next = advance(state, one, chosen);
            ends += next.effects.filter(({ type }) => type === 'end').length;
            if (isOver(state)) {
              expect(next.state).toBe(state);
              expect(next.effects).toEqual([]);
            }
            for (const effect of next.effects) if (effect.type === 'open') expect(effect.url).toBe(link);
            if (!isOver(state) && next.state.signin.phase === 'signed_in') {
              expect(state.signin.phase).toBe('verifying');
              expect(one).toMatchObject({ type: 'status', signedIn: true });
            }
            state = next.state;
            expect([null, link]).toContain(state.signin.oauthUrl);
            expect((state.signin.failure !== null) === (state.signin.phase === 'failed')).toBe(true);
            if (isOver(state)) expect(state.signin.wantsCode).toBe(false);
          }
          expect(ends).toBe(isOver(state) ? 1 : 0);
        },
      ),
      { numRuns: 500 },
    );
  });
});
