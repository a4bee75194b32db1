import type { SignInMethod } from '@hearth/contract';

interface MethodWords {
  name: string;
  /** What the person does. */
  text: string;
}

export const methodWords: Readonly<Record<SignInMethod, MethodWords>> = {
  browser: {
    name: 'Sign in',
    text: 'A desktop of your own opens in this page. You sign in on it, as on any computer.',
  },
  device_code: {
    name: 'Device code',
    text: 'You get a short code and type it on the provider’s page, in any browser.',
  },
  pasted_code: {
    name: 'Paste a code',
    text: 'You sign in in any browser and paste the code that the provider shows you.',
  },
  api_key: { name: 'API key', text: 'You paste a key of the provider’s console. Nothing to wait for.' },
};
