import type { Provider, Signin, SigninState } from '@hearth/contract';

export type StepState = 'done' | 'now' | 'next' | 'broken';
export interface Step {
  title: string;
  state: StepState;
}

/** The step during which a state holds. */
const stepOf: Partial<Readonly<Record<SigninState, number>>> = {
  requested: 0,
  starting: 0,
  ready: 1,
  awaiting_user: 2,
  verifying: 3,
};

/** The way of a sign-in; where it ended otherwise than well, the step that it got to is broken. */
export function stepsOf(
  signin: Pick<Signin, 'state' | 'timeline'>,
  { title }: Pick<Provider, 'title'>,
): Step[] {
  const titles = [
    'A VM of your own starts',
    `${title} begins its sign-in`,
    'You sign in',
    'Checked and stored',
    'Connected',
  ];
  const { state, timeline } = signin;
  if (state === 'completed') return titles.map((each) => ({ title: each, state: 'done' }));
  const under = stepOf[state];
  const reached = under ?? Math.max(0, ...timeline.map((entry) => stepOf[entry.state] ?? 0));
  return titles.map((each, index) => ({
    title: each,
    state: index < reached ? 'done' : index > reached ? 'next' : under === undefined ? 'broken' : 'now',
  }));
}

/** What goes on, for the heading. */
export function headline({ state, method }: Pick<Signin, 'state' | 'method'>, { title }: Provider): string {
  switch (state) {
    case 'requested':
    case 'starting':
      return `Your VM for ${title} is starting`;
    case 'ready':
      return `${title} begins its sign-in`;
    case 'awaiting_user':
      return method === 'browser' ? `Sign in to ${title} on the desktop` : `Sign in to ${title}`;
    case 'verifying':
      return 'Checking and storing';
    case 'completed':
      return `${title} is connected`;
    case 'failed':
      return `${title} was not connected`;
    case 'cancelled':
      return 'The sign-in was cancelled';
    case 'expired':
      return 'The time for the sign-in ran out';
  }
}
