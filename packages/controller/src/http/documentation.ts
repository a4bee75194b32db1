import {
  breakerSchema,
  controlActionSchema,
  createdTokenSchema,
  createRunSchema,
  createSessionSchema,
  createTicketSchema,
  createTokenSchema,
  createVmSchema,
  credentialSchema,
  desktopEventSchema,
  desktopStateSchema,
  downloadListSchema,
  downloadSchema,
  drainRequestSchema,
  drainStateSchema,
  driftReportSchema,
  driftSchema,
  errorTable,
  execEventSchema,
  execRequestSchema,
  failureSchema,
  findingSchema,
  healthSchema,
  hostStateSchema,
  leftoverSchema,
  meSchema,
  oauthUrlSchema,
  problemSchema,
  providerInfoSchema,
  quotaRequestSchema,
  quotaSchema,
  resumeVmSchema,
  rotateCredentialSchema,
  runChangesSchema,
  runEventSchema,
  runListEventSchema,
  runListSchema,
  runSchema,
  signinLinkSchema,
  signinSchema,
  snapshotListSchema,
  snapshotSchema,
  startedSigninSchema,
  startSigninSchema,
  storeApiKeySchema,
  sweepReportSchema,
  sweepRequestSchema,
  ticketSchema,
  timelineSchema,
  tokenSchema,
  userListSchema,
  userSchema,
  vmEventSchema,
  vmListEventSchema,
  vmSchema,
  whyCheckSchema,
  whySchema,
  type ErrorCode,
} from '@hearth/contract';
import swagger from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { App } from './fastify.ts';
import { PROBLEM_TYPE } from './problems.ts';

/** Schemas that the document names once and refers to. */
const registry = z.registry<{ id?: string; description?: string }>();
registry
  .add(problemSchema, { id: 'Problem' })
  .add(vmSchema, { id: 'Vm' })
  .add(vmEventSchema, { id: 'VmEvent' })
  .add(timelineSchema, { id: 'Timeline' })
  .add(failureSchema, { id: 'Failure' })
  .add(createVmSchema, { id: 'CreateVm' })
  .add(resumeVmSchema, { id: 'ResumeVm' })
  .add(snapshotSchema, { id: 'Snapshot' })
  .add(snapshotListSchema, { id: 'SnapshotList' })
  .add(createRunSchema, { id: 'CreateRun' })
  .add(runSchema, { id: 'Run' })
  .add(runListSchema, { id: 'RunList' })
  .add(runListEventSchema, { id: 'RunListEvent' })
  .add(runEventSchema, { id: 'RunEvent' })
  .add(runChangesSchema, { id: 'RunChanges' })
  .add(tokenSchema, { id: 'Token' })
  .add(createTokenSchema, { id: 'CreateToken' })
  .add(createdTokenSchema, { id: 'CreatedToken' })
  .add(signinLinkSchema, { id: 'SigninLink' })
  .add(healthSchema, { id: 'Health' })
  .add(meSchema, { id: 'Me' })
  .add(execRequestSchema, { id: 'ExecRequest' })
  .add(execEventSchema, { id: 'ExecEvent' })
  .add(vmListEventSchema, { id: 'VmListEvent' })
  .add(signinSchema, { id: 'Signin' })
  .add(startSigninSchema, { id: 'StartSignin' })
  .add(startedSigninSchema, { id: 'StartedSignin' })
  .add(oauthUrlSchema, { id: 'OauthUrl' })
  .add(credentialSchema, { id: 'Credential' })
  .add(storeApiKeySchema, { id: 'StoreApiKey' })
  .add(rotateCredentialSchema, { id: 'RotateCredential' })
  .add(providerInfoSchema, { id: 'ProviderInfo' })
  .add(createSessionSchema, { id: 'CreateSession' })
  .add(createTicketSchema, { id: 'CreateTicket' })
  .add(ticketSchema, { id: 'Ticket' })
  .add(controlActionSchema, { id: 'ControlAction' })
  .add(desktopStateSchema, { id: 'DesktopState' })
  .add(desktopEventSchema, { id: 'DesktopEvent' })
  .add(downloadSchema, { id: 'Download' })
  .add(breakerSchema, { id: 'Breaker' })
  .add(drainRequestSchema, { id: 'DrainRequest' })
  .add(drainStateSchema, { id: 'DrainState' })
  .add(driftReportSchema, { id: 'DriftReport' })
  .add(driftSchema, { id: 'Drift' })
  .add(findingSchema, { id: 'Finding' })
  .add(hostStateSchema, { id: 'HostState' })
  .add(leftoverSchema, { id: 'Leftover' })
  .add(quotaRequestSchema, { id: 'QuotaRequest' })
  .add(quotaSchema, { id: 'Quota' })
  .add(sweepReportSchema, { id: 'SweepReport' })
  .add(sweepRequestSchema, { id: 'SweepRequest' })
  .add(userListSchema, { id: 'UserList' })
  .add(userSchema, { id: 'User' })
  .add(whyCheckSchema, { id: 'WhyCheck' })
  .add(whySchema, { id: 'Why' })
  .add(downloadListSchema, { id: 'DownloadList' });

/** The OpenAPI document, made from the routes' schemas when it is first asked for. */
export async function describeApi(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hearth',
        version,
        description:
          'Isolated microVMs on your own machine for AI command-line tools. Errors are RFC 9457 problems with a `code`, ' +
          'the `layer` at fault, and a `hint`. Make a token with `hearth token create`.',
      },
      tags: [
        { name: 'vms', description: 'Virtual machines' },
        { name: 'desktop', description: 'The desktop of a browser VM' },
        { name: 'commands', description: 'Commands and files in a VM' },
        { name: 'runs', description: 'Prompts given to a tool' },
        { name: 'terminals', description: 'Terminals in a CLI VM' },
        { name: 'providers', description: 'Sign-ins, API keys, and what is connected' },
        { name: 'access', description: 'Tokens and sign-in' },
        { name: 'system', description: 'The house itself' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'Authorization: Bearer hth_…' },
        },
      },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform({ schemaRegistry: registry }),
    transformObject: (input) => withoutUnused(toObject(input)),
  });
}

const toObject = createJsonSchemaTransformObject({ schemaRegistry: registry });
type Document = ReturnType<typeof toObject>;

/** Each schema comes in a form for requests and one for answers; drops those that nothing refers to. */
function withoutUnused(document: Document): Document {
  if (!('components' in document)) return document;
  const { schemas, ...components } = document.components ?? {};
  if (schemas === undefined) return document;
  const used = new Set<string>();
  const visit = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(new Map<string, unknown>(Object.entries(schemas)).get(name) ?? {});
    }
  };
  visit(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } } as Document;
}

type Answers = Record<number, { description: string; content: Record<string, { schema: z.ZodType }> }>;

/** Any route may answer these. */
const always: ErrorCode[] = ['bad_request', 'rate_limited', 'internal', 'database_failed', 'shutting_down'];

/** The errors of a route, by status, each naming its codes. */
export function errors(...codes: ErrorCode[]): Answers {
  const byStatus = Map.groupBy(new Set([...codes, ...always]), (code) => errorTable[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      {
        description: list.map((code) => `\`${code}\`: ${errorTable[code].title}`).join('; '),
        content: { [PROBLEM_TYPE]: { schema: problemSchema } },
      },
    ]),
  );
}

/** An answer of one media type with a description. */
export const answer = <T extends z.ZodType>(
  description: string,
  schema: T,
  mediaType = 'application/json',
): { description: string; content: Record<string, { schema: T }> } => ({
  description,
  content: { [mediaType]: { schema } },
});

/** An answer without a body. */
export function noBody(description: string): z.ZodUndefined {
  const schema = z.undefined();
  registry.add(schema, { description });
  return schema;
}

/** Bytes, whatever they are. */
export const bytesSchema = z.unknown();
registry.add(bytesSchema, { description: 'Bytes' });
