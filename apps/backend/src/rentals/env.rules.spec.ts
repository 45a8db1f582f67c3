import { expect, it } from 'vitest';
import { cleanEnv } from './env.rules.js';

it('leaves out what would reach the host runtime, in any case, and keeps the rest as it is', () => {
  const cleaned = cleanEnv({ NVIDIA_VISIBLE_DEVICES: 'all', LD_PRELOAD: '/x.so', ld_library_path: '/x', CUDA_VISIBLE_DEVICES: '0', HF_TOKEN: 'a b', CUDA_HOME: '/usr', NUL: 'a\0b' });
  expect(cleaned.env).toEqual({ HF_TOKEN: 'a b', CUDA_HOME: '/usr' });
  expect(cleaned.dropped).toEqual(['NVIDIA_VISIBLE_DEVICES', 'LD_PRELOAD', 'ld_library_path', 'CUDA_VISIBLE_DEVICES', 'NUL']);
});
