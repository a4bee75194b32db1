import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestController, type TestController } from '../test-controller.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let text: string;
let document: z.infer<typeof documentSchema>;

const contentSchema = z.record(z.string(), z.strictObject({ schema: z.record(z.string(), z.unknown()) }));
/** The parts of OpenAPI 3.1 that a document of ours is made of; an unknown key is an error. */
const operationSchema = z.strictObject({
  summary: z.string().min(5).max(80),
  description: z.string().min(10),
  tags: z.array(z.string()).length(1),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z
    .array(
      z.strictObject({
        name: z.string(),
        in: z.enum(['path', 'query', 'header']),
        required: z.boolean(),
        description: z.string().optional(),
        schema: z.record(z.string(), z.unknown()),
      }),
    )
    .optional(),
  requestBody: z
    .strictObject({
      description: z.string().optional(),
      required: z.boolean().optional(),
      content: contentSchema,
    })
    .optional(),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.strictObject({ description: z.string().min(5), content: contentSchema.optional() }),
  ),
});
const documentSchema = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  components: z.strictObject({
    securitySchemes: z.record(z.string(), z.record(z.string(), z.unknown())),
    schemas: z.record(z.string(), z.record(z.string(), z.unknown())),
  }),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'delete', 'head']), z.unknown()),
  ),
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  api = await startTestController(host.socketPath);
  text = await (await api.call(null, 'GET', '/api/openapi.json')).text();
  document = documentSchema.parse(JSON.parse(text));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const operations = (): [string, z.infer<typeof operationSchema>][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, z.infer<typeof operationSchema>] => [
      `${method.toUpperCase()} ${path}`,
      operationSchema.parse(operation),
    ]),
  );

describe('OpenAPI document', () => {
  it('is the one that was agreed on (a change of it is a change of the API)', async () => {
    await expect(`${JSON.stringify(JSON.parse(text), null, 2)}\n`).toMatchFileSnapshot(
      './openapi.json.snapshot',
    );
  });

  it('describes every route with a summary, a description and its errors', () => {
    const routes = operations();
    expect(routes.map(([name]) => name).toSorted()).toMatchInlineSnapshot(`
      [
        "DELETE /api/auth/credentials/{provider}",
        "DELETE /api/host/breaker",
        "DELETE /api/session",
        "DELETE /api/snapshots/{id}",
        "DELETE /api/tokens/{id}",
        "DELETE /api/vms/{id}",
        "DELETE /api/vms/{id}/terminals/{terminalId}",
        "GET /api/auth/credentials",
        "GET /api/auth/credentials/events",
        "GET /api/auth/session/{id}",
        "GET /api/auth/session/{id}/credentials/status",
        "GET /api/auth/session/{id}/events",
        "GET /api/auth/session/{id}/novnc",
        "GET /api/auth/session/{id}/oauth-url",
        "GET /api/auth/sessions",
        "GET /api/host",
        "GET /api/host/drain",
        "GET /api/host/drift",
        "GET /api/me",
        "GET /api/providers",
        "GET /api/runs",
        "GET /api/runs/events",
        "GET /api/runs/{id}",
        "GET /api/runs/{id}/changes",
        "GET /api/runs/{id}/events",
        "GET /api/snapshots",
        "GET /api/terminals",
        "GET /api/tokens",
        "GET /api/users",
        "GET /api/vms",
        "GET /api/vms/events",
        "GET /api/vms/{id}",
        "GET /api/vms/{id}/console",
        "GET /api/vms/{id}/desktop",
        "GET /api/vms/{id}/desktop/downloads",
        "GET /api/vms/{id}/desktop/downloads/{name}",
        "GET /api/vms/{id}/desktop/events",
        "GET /api/vms/{id}/desktop/rfb",
        "GET /api/vms/{id}/desktop/screenshot.png",
        "GET /api/vms/{id}/events",
        "GET /api/vms/{id}/files",
        "GET /api/vms/{id}/terminals",
        "GET /api/vms/{id}/terminals/{terminalId}/ws",
        "GET /api/vms/{id}/why",
        "GET /health",
        "GET /metrics",
        "POST /api/auth/api-key",
        "POST /api/auth/rotate",
        "POST /api/auth/session/{id}/cancel",
        "POST /api/auth/session/{id}/open-url",
        "POST /api/auth/session/{id}/paste-code",
        "POST /api/auth/start",
        "POST /api/host/sweep",
        "POST /api/prompts/execute",
        "POST /api/runs",
        "POST /api/runs/{id}/cancel",
        "POST /api/session",
        "POST /api/signin-links",
        "POST /api/terminals",
        "POST /api/tokens",
        "POST /api/vault/rotate",
        "POST /api/vms",
        "POST /api/vms/{id}/desktop/control",
        "POST /api/vms/{id}/desktop/ticket",
        "POST /api/vms/{id}/exec",
        "POST /api/vms/{id}/exec/{execId}/signal",
        "POST /api/vms/{id}/fork",
        "POST /api/vms/{id}/hibernate",
        "POST /api/vms/{id}/restart",
        "POST /api/vms/{id}/resume",
        "POST /api/vms/{id}/terminals",
        "POST /api/vms/{id}/terminals/{terminalId}/ticket",
        "PUT /api/host/drain",
        "PUT /api/users/{id}/quota",
        "PUT /api/vms/{id}/desktop/downloads/{name}",
        "PUT /api/vms/{id}/exec/{execId}/stdin",
        "PUT /api/vms/{id}/files",
      ]
    `);
    for (const [name, { responses, security }] of routes) {
      const problems = Object.entries(responses).filter(
        ([, { content }]) => content?.['application/problem+json'] !== undefined,
      );
      expect(
        problems.map(([status]) => status),
        name,
      ).toEqual(
        expect.arrayContaining(
          ['400', '429', '500', '503'].filter((s) => !(name.includes('/health') && s === '503')),
        ),
      );
      for (const [status, { content }] of problems) {
        expect(Number(status), name).toBeGreaterThanOrEqual(400);
        expect(content?.['application/problem+json']?.schema).toEqual({
          $ref: '#/components/schemas/Problem',
        });
      }
      if (security === undefined) expect(responses['401'], name).toBeDefined();
    }
  });

  it('refers to nothing that is not there', () => {
    const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref);
    expect(refs.length).toBeGreaterThan(20);
    for (const ref of new Set(refs)) {
      const name = /^#\/components\/schemas\/(.+)$/.exec(ref)?.[1] ?? '';
      expect(Object.keys(document.components.schemas), ref).toContain(name);
    }
    expect(text).not.toContain('nullable');
  });
});

describe('GET /api/docs', () => {
  it('is a page that needs nothing from elsewhere, under a strict policy', async () => {
    const redirect = await api.call(null, 'GET', '/api/docs');
    expect(redirect.status).toBe(301);
    const page = await api.call(null, 'GET', '/api/docs/');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/script-src 'self' 'sha256-[^']+';/);
    const html = await page.text();
    expect(html).toContain('/api/openapi.json');
    expect(html).not.toMatch(/https?:\/\//);
    const script = /<script src="([^"]+)"/.exec(html)?.[1] ?? '';
    const answer = await api.call(null, 'GET', new URL(script, `${api.url}/api/docs/`).pathname);
    expect(answer.headers.get('content-type')).toContain('application/javascript');
    expect((await answer.text()).length).toBeGreaterThan(100_000);
  });
});
