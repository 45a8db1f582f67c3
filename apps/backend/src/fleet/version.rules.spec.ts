import { expect, it } from 'vitest';
import { isOlder } from './version.rules.js';

it.each([
  ['0.1.0', '0.1.0', false],
  ['0.9.1', '0.10.0', true],
  ['1.0.0', '0.10.0', false],
  ['0.1.0-rc.1', '0.1.1', true],
  ['', '0.1.0', false],
  ['bench', '0.1.0', false],
])('%s against %s: %s', (version, than, older) => expect(isOlder(version, than)).toBe(older));
