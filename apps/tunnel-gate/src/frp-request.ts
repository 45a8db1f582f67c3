import { z } from 'zod';

/** What frps sends to its plugin, reduced to the fields that decide. Everything in `content` is the host's own word. */
const text = z.string().max(200).default('');

export const LoginContent = z.object({
  user: text,
  client_id: text,
  privilege_key: z.string().max(16_384).default(''),
});
export type LoginContent = z.infer<typeof LoginContent>;

export const NewProxyContent = z.object({
  user: z.object({ user: text }),
  proxy_name: text,
  proxy_type: text,
  remote_port: z.number().int().default(0),
  group: text,
});
export type NewProxyContent = z.infer<typeof NewProxyContent>;

export const FrpRequest = z.discriminatedUnion('op', [
  z.object({ op: z.literal('Login'), content: LoginContent }),
  z.object({ op: z.literal('NewProxy'), content: NewProxyContent }),
  z.object({ op: z.literal('CloseProxy'), content: z.unknown() }),
]);
export type FrpRequest = z.infer<typeof FrpRequest>;

/** frps needs `unchange` to be a JSON boolean; true = take the request as it was sent. */
export type FrpAnswer = { reject: false; unchange: true } | { reject: true; reject_reason: string; unchange: true };
