/** A problem document (RFC 9457 §3) as this system writes it. */
export interface Problem {
  type: string
  title: string
  status: number
  /** Stable machine name. API: never renamed, never reused. */
  code: string
  detail: string
  correlation_id: string
  [extension: string]: unknown
}

/** The media type of RFC 9457 §3. */
export const PROBLEM_JSON = 'application/problem+json'

/** The body bytes of a problem and the headers that go with it. */
export function renderProblem(problem: Problem): { body: string; headers: Record<string, string> } {
  return {
    body: JSON.stringify(problem),
    headers: { 'content-type': PROBLEM_JSON, 'cache-control': 'no-store' },
  }
}
