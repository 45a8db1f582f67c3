import type { INestApplication } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { operations, type OperationSpec } from '@muster/shared-types';
import { operationOf } from './operation.js';

interface Handler {
  name: string;
  spec: OperationSpec | undefined;
}

/**
 * What is wrong between the catalogue of operations and the controllers: an operation without a handler or with two,
 * and a route outside the catalogue (which would have neither an owner rule nor a place in the document).
 */
export function routeFaults(app: INestApplication): string[] {
  const handlers = handlersOf(app);
  const outside = handlers.filter(({ spec }) => !spec).map(({ name }) => `${name} is a route outside the catalogue`);
  const uneven = Object.entries(operations).flatMap(([name, spec]) => {
    const found = handlers.filter((handler) => handler.spec === spec).map((handler) => handler.name);
    return found.length === 1 ? [] : [`${name} has ${found.length} handlers${found.length > 1 ? `: ${found.join(', ')}` : ''}`];
  });
  return [...outside, ...uneven];
}

function handlersOf(app: INestApplication): Handler[] {
  const scanner = new MetadataScanner();
  const wrappers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return wrappers.flatMap(({ metatype }) => {
    if (typeof metatype !== 'function') return [];
    const prototype = metatype.prototype as Record<string, unknown>;
    return scanner.getAllMethodNames(prototype).flatMap((method) => {
      const handler = prototype[method];
      const isRoute = typeof handler === 'function' && Reflect.hasMetadata(PATH_METADATA, handler) && Reflect.hasMetadata(METHOD_METADATA, handler);
      return isRoute ? [{ name: `${metatype.name}.${method}`, spec: operationOf(handler) }] : [];
    });
  });
}
