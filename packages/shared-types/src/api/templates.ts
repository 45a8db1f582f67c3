import { z } from 'zod';
import { TemplateView } from '../entities/rental.js';
import { Empty, operation } from './operation.js';

const Port = z.number().int().min(1).max(65_535);
const Slug = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be lower case letters, digits and dashes');
const ImageRef = z.string().min(1).max(255).regex(/^[a-z0-9][A-Za-z0-9._/:@-]*$/, 'must be an image reference such as pytorch/pytorch:2.4.1-cuda12.4-cudnn9-runtime');

/** What an instance is made of. Every port in it gets a public port. */
const fields = {
  title: z.string().min(1).max(100),
  image: ImageRef,
  ports: z.array(Port).max(10).default([]),
  /** The image runs sshd on port 22: its handshake says that the instance is ready. Without it `ready_port` must answer. */
  ssh: z.boolean().default(false),
  ready_port: Port.nullable().default(null),
  jupyter_port: Port.nullable().default(null),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/), z.string().max(8192)).default({}),
  command: z.array(z.string().max(4096)).max(100).default([]),
  onstart: z.string().max(16_384).default(''),
};

export const TemplateInput = z.object(fields).strict().superRefine(explainPorts).meta({ id: 'TemplateInput' });
export type TemplateInput = z.output<typeof TemplateInput>;

function explainPorts(template: { ports: number[]; ssh: boolean; ready_port: number | null; jupyter_port: number | null }, context: z.RefinementCtx): void {
  const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
  if (new Set(template.ports).size !== template.ports.length) refuse('ports', 'names a port twice');
  if (template.ssh && !template.ports.includes(22)) refuse('ports', 'must have 22 for SSH');
  if (!template.ssh && template.ready_port === null) refuse('ready_port', 'without SSH one port must say when the instance is ready');
  for (const name of ['ready_port', 'jupyter_port'] as const) {
    const port = template[name];
    if (port !== null && !template.ports.includes(port)) refuse(name, 'must be one of ports');
  }
}

export const templateOperations = {
  createTemplate: operation({
    method: 'POST', path: '/api/v1/templates', tag: 'market', summary: 'Keep a template of one’s own; only this account sees it',
    auth: { kind: 'user', scope: 'rent' }, owner: 'self', body: z.object({ slug: Slug, ...fields }).strict().superRefine(explainPorts),
    status: 201, response: TemplateView, problems: ['template_taken', 'action_not_allowed'],
  }),
  replaceTemplate: operation({
    method: 'PUT', path: '/api/v1/templates/{slug}', tag: 'market', summary: 'Replace a template of one’s own; what runs keeps what it was made of',
    auth: { kind: 'user', scope: 'rent' }, owner: 'template', params: z.object({ slug: Slug }), body: TemplateInput,
    status: 200, response: TemplateView, problems: ['not_found'],
  }),
  deleteTemplate: operation({
    method: 'DELETE', path: '/api/v1/templates/{slug}', tag: 'market', summary: 'Forget a template of one’s own; what runs goes on',
    auth: { kind: 'user', scope: 'rent' }, owner: 'template', params: z.object({ slug: Slug }),
    status: 200, response: Empty, problems: ['not_found'],
  }),
} as const;
