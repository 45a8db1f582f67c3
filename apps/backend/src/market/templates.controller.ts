import { Controller } from '@nestjs/common';
import { templateOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { OwnTemplates } from './own-templates.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class TemplatesController {
  constructor(private readonly templates: OwnTemplates) {}

  @Operation(ops.createTemplate)
  async create(@Who() who: Principal, @Input() { body }: In<'createTemplate'>): Out<'createTemplate'> {
    return unwrap(await this.templates.create(userOf(who).userId, body));
  }

  @Operation(ops.replaceTemplate)
  async replace(@Who() who: Principal, @Input() { params, body }: In<'replaceTemplate'>): Out<'replaceTemplate'> {
    return unwrap(await this.templates.replace(userOf(who).userId, params.slug, body));
  }

  @Operation(ops.deleteTemplate)
  async remove(@Who() who: Principal, @Input() { params }: In<'deleteTemplate'>): Out<'deleteTemplate'> {
    unwrap(await this.templates.remove(userOf(who).userId, params.slug));
    return {};
  }
}
