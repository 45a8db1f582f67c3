import { Controller } from '@nestjs/common';
import { operations, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { ApiKeys } from './api-keys.js';
import { SshKeys } from './ssh-keys.js';

type In<K extends keyof typeof operations> = OperationInput<(typeof operations)[K]>;
type Out<K extends keyof typeof operations> = Promise<OperationOutput<(typeof operations)[K]>>;

@Controller()
export class KeysController {
  constructor(
    private readonly apiKeys: ApiKeys,
    private readonly sshKeys: SshKeys,
  ) {}

  @Operation(operations.createApiKey)
  async createApiKey(@Input() { body }: In<'createApiKey'>, @Who() who: Principal): Out<'createApiKey'> {
    return unwrap(await this.apiKeys.create(userOf(who), { ...body, expiresInS: body.expires_in_s }));
  }

  @Operation(operations.listApiKeys)
  async listApiKeys(@Who() who: Principal): Out<'listApiKeys'> {
    return { items: await this.apiKeys.list(userOf(who).userId) };
  }

  @Operation(operations.revokeApiKey)
  async revokeApiKey(@Input() { params }: In<'revokeApiKey'>, @Who() who: Principal): Out<'revokeApiKey'> {
    return unwrap(await this.apiKeys.revoke(userOf(who).userId, params.api_key_id));
  }

  @Operation(operations.addSshKey)
  async addSshKey(@Input() { body }: In<'addSshKey'>, @Who() who: Principal): Out<'addSshKey'> {
    return unwrap(await this.sshKeys.add(userOf(who).userId, body.name, body.public_key));
  }

  @Operation(operations.listSshKeys)
  async listSshKeys(@Who() who: Principal): Out<'listSshKeys'> {
    return { items: await this.sshKeys.list(userOf(who).userId) };
  }

  @Operation(operations.deleteSshKey)
  async deleteSshKey(@Input() { params }: In<'deleteSshKey'>, @Who() who: Principal): Out<'deleteSshKey'> {
    unwrap(await this.sshKeys.remove(userOf(who).userId, params.ssh_key_id));
    return {};
  }
}
