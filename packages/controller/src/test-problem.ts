import { problemSchema, type ErrorCode } from '@hearth/contract';

/** An answer that must be a problem, of that code where one is given, in the parts that tests look at. */
export async function refused(
  answer: Response,
  code?: ErrorCode,
): Promise<{ status: number; code: string; issues: string[]; detail: string; hint: string }> {
  const type = answer.headers.get('content-type') ?? '';
  if (!type.startsWith('application/problem+json'))
    throw new Error(`no problem but ${answer.status} ${type}: ${await answer.text()}`);
  const problem = problemSchema.parse(await answer.json());
  if (problem.requestId !== answer.headers.get('x-request-id')) throw new Error('the request id differs');
  if (problem.status !== answer.status) throw new Error('the status differs');
  if (code !== undefined && problem.code !== code)
    throw new Error(`${problem.code}, not ${code}: ${problem.detail}`);
  const issues = (problem.issues ?? []).map(({ path }) => path);
  return { status: answer.status, code: problem.code, issues, detail: problem.detail, hint: problem.hint };
}
