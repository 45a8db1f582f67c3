import { describe, expect, it } from 'vitest';
import { joinCommand, splitCommand } from './command.rules';

describe('a command as people type it', () => {
  it.each([
    ['echo hello', ['echo', 'hello']],
    ['  sh -c "echo $X | sort"  ', ['sh', '-c', 'echo $X | sort']],
    [`python -c 'print("a b")'`, ['python', '-c', 'print("a b")']],
    ['a\\ b ""', ['a b', '']],
    ['"say \\"hi\\""', ['say "hi"']],
    ['', []],
  ])('%s', (line, words) => expect(splitCommand(line)).toEqual(words));
  it('an open quote is no command', () => expect(splitCommand('echo "x')).toBeUndefined());
  it.each([[['sh', '-c', "it's $X"]], [['']], [['a b', 'c\nd', '"']]])('comes back: %j', (words) => expect(splitCommand(joinCommand(words))).toEqual(words));
});
