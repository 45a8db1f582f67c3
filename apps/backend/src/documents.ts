import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import { SigningKeys } from './platform/signing-keys.js';
import { openApiDocument } from './openapi.js';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Muster API</title>
<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/api/docs/assets/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
`;
const START = `window.SwaggerUIBundle({ url: '/api/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n`;

/** Paths that are answered outside the catalogue of operations, and why they may be. */
export const OUTSIDE_THE_CATALOGUE = [
  { path: '/metrics', why: 'Prometheus text, guarded by its own token' },
  { path: '/api/openapi.json', why: 'the document itself' },
  { path: '/api/docs', why: 'the page that shows the document' },
  { path: '/.well-known/jwks.json', why: 'public keys of session tokens' },
] as const;

/** The OpenAPI document, a page that shows it (all of it from this machine), and the public keys of our tokens. */
export function serveDocuments(app: NestExpressApplication): void {
  const document = JSON.stringify(openApiDocument());
  const keys = app.get(SigningKeys);
  const get = (path: string, answer: (response: Response) => unknown) =>
    app.use(path, (request: Request, response: Response, next: () => void) => {
      const isHere = request.path === '/' && ['GET', 'HEAD'].includes(request.method);
      return isHere ? answer(response) : next();
    });
  get('/api/openapi.json', (response) => response.type('application/json').send(document));
  get('/api/docs', (response) => response.type('html').send(PAGE));
  get('/api/docs/start.js', (response) => response.type('text/javascript').send(START));
  get('/.well-known/jwks.json', async (response) => response.type('application/jwk-set+json').send(JSON.stringify(await keys.jwks('session'))));
  const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  app.useStaticAssets(assets, { prefix: '/api/docs/assets/', index: false, redirect: false });
}
