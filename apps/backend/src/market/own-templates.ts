import { Injectable } from '@nestjs/common';
import { fail, ok, type Result, type TemplateInput, type TemplateView } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { templateView } from './templates.js';

const MOST = 100;

/** Templates that an account made for itself. What runs keeps what it was made of. */
@Injectable()
export class OwnTemplates {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async create(ownerId: string, { slug, ...input }: TemplateInput & { slug: string }): Promise<Result<TemplateView>> {
    const { template } = this.db.client;
    if ((await template.count({ where: { ownerId } })) >= MOST) return fail('action_not_allowed', { detail: `An account has at most ${MOST} templates` });
    const { count } = await template.createMany({ data: [{ slug, ownerId, createdAt: this.clock.now(), ...columnsOf(input) }], skipDuplicates: true });
    // Names are the whole market's, so that what a person reads in a rental means one thing.
    if (count === 0) return fail('template_taken', { detail: `The name ${slug} is in use`, hint: 'Choose another one' });
    return ok(templateView(await template.findUniqueOrThrow({ where: { slug } })));
  }

  async replace(ownerId: string, slug: string, input: TemplateInput): Promise<Result<TemplateView>> {
    const [row] = await this.db.client.template.updateManyAndReturn({ where: { slug, ownerId }, data: columnsOf(input) });
    return row ? ok(templateView(row)) : noSuchTemplate();
  }

  async remove(ownerId: string, slug: string): Promise<Result<void>> {
    const { count } = await this.db.client.template.deleteMany({ where: { slug, ownerId } });
    return count === 1 ? ok(undefined) : noSuchTemplate();
  }
}

const noSuchTemplate = (): ReturnType<typeof fail> => fail('not_found', { detail: 'You have no such template' });

const columnsOf = ({ title, image, ports, ssh, ready_port, jupyter_port, env, command, onstart }: TemplateInput) => ({ title, image, ports, ssh, readyPort: ssh ? (ready_port ?? 22) : ready_port, jupyterPort: jupyter_port, env, command, onstart });
