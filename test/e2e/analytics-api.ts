import assert from 'node:assert/strict'
import {
  anomalousAccessPatternsResponse,
  authorizationMetricsResponse,
  workflowsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

/** The three paths of the brief, as a page calls them: with cookies and nothing else. */
export const PATHS = {
  workflows: '/api/v1/analytics/workflows',
  authorization: '/api/v1/analytics/authorization-metrics?service=crud',
  anomalies: '/api/v1/analytics/anomalous-access-patterns',
} as const

async function ask(who: Visitor, path: string, query: Record<string, string>): Promise<unknown> {
  const url = new URL(path, who.bff)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const response = await who.fetch(url.href)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  return JSON.parse(text)
}

export const workflows = async (who: Visitor, query: Record<string, string> = {}) =>
  workflowsResponse.parse(await ask(who, PATHS.workflows, query))

export const authorization = async (who: Visitor, query: Record<string, string> = {}) =>
  authorizationMetricsResponse.parse(await ask(who, PATHS.authorization, query))

export const anomalies = async (who: Visitor, query: Record<string, string> = {}) =>
  anomalousAccessPatternsResponse.parse(await ask(who, PATHS.anomalies, query))
