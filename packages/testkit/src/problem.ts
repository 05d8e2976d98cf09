import assert from 'node:assert/strict'
import { PROBLEMS, type ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { RawAnswer } from './raw.ts'

/** An answer of either kind of client, read to its end. */
async function readAnswer(answer: Response | RawAnswer) {
  if (answer instanceof Response) {
    const header = (name: string) => answer.headers.get(name) ?? undefined
    return { status: answer.status, header, body: await answer.text() }
  }
  const header = (name: string) => answer.headers.get(name)?.join(', ')
  return { status: answer.status, header, body: answer.body }
}

/**
 * Asserts that an answer is this problem in every respect: status, media type, members, correlation
 * id in the body as in the header, and that no cache may keep it.
 *
 * @returns the problem document.
 */
export async function assertProblem(
  answer: Response | RawAnswer,
  code: ProblemCode,
): Promise<Record<string, unknown>> {
  const { status, header, body } = await readAnswer(answer)
  assert.equal(header('content-type'), 'application/problem+json', `${status} ${body}`)
  const problem = JSON.parse(body) as Record<string, unknown>
  const { status: expected, title } = PROBLEMS[code]
  assert.deepEqual(
    { code: problem.code, title: problem.title, status: problem.status, answered: status },
    { code, title, status: expected, answered: expected },
    body,
  )
  assert.equal(problem.type, `urn:audience-bridge:problem:${code}`)
  assert.match(String(problem.detail), /\w{3}/)
  assert.match(String(problem.correlation_id), /^[A-Za-z0-9._-]{8,128}$/)
  assert.equal(problem.correlation_id, header('x-correlation-id'))
  assert.equal(header('cache-control'), 'no-store')
  return problem
}
