import { describe, expect, it } from 'vitest';
import { answerChallenge, passwordFile } from './vnc-auth.ts';

describe('VncAuth', () => {
  // Made by `vncpasswd -f` of Debian's tigervnc-tools 1.12.
  it.each([
    ['hearth12', 'e3c5ecbf2bd7b60b'],
    ['abcdefgh', 'db8ab02565e3b4c2'],
    ['12345678', 'f0e43164f6c2e373'],
    ['x', '62d0bc9c593df2d5'],
    ['longpassword', '6b8849b69f4d3f83'],
  ])('scrambles %s as TigerVNC does', (password, hex) => {
    expect(passwordFile(password).toString('hex')).toBe(hex);
  });

  it('answers a challenge as a viewer does', () => {
    // DES of the challenge; the key is the password with the bits of each byte reversed (openssl's legacy provider agrees).
    const challenge = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    expect(answerChallenge('hearth12', challenge).toString('hex')).toBe('eec5589eb0dcc1fa54ca2cbad6c2f139');
  });

  it('knows the first eight characters of a password only', () => {
    const challenge = Buffer.alloc(16, 7);
    expect(answerChallenge('hearth12', challenge)).toEqual(answerChallenge('hearth123', challenge));
    expect(answerChallenge('hearth12', challenge)).not.toEqual(answerChallenge('hearth1', challenge));
  });
});
