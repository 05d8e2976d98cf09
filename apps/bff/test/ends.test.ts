import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstLimit, limitTimes } from '@audience-bridge/bff/session/ends.ts'
import type { Grant } from '@audience-bridge/bff/session/session.ts'

const limits = { idleSeconds: 600, absoluteSeconds: 3600 }
const grant: Grant = {
  ...{ accessToken: 'a', accessExpiresAt: 1_300, idToken: 'i', scopes: [] },
  ...{ refreshToken: 'r', refreshExpiresAt: undefined },
}
const session = {
  ...{ createdAt: 1_000, seenAt: 1_000, expiresAt: 4_600 },
  ...{ idpSessionExpiresAt: undefined, grant },
}
const endOf = (more: Partial<Parameters<typeof limitTimes>[0]>) =>
  firstLimit(limitTimes({ ...session, ...more }, limits))

test('the limit that comes first ends a session', () => {
  assert.deepEqual(endOf({}), { at: 1_600, by: 'idle' })
  assert.deepEqual(endOf({ seenAt: 4_200 }), { at: 4_600, by: 'absolute' })
  const refresh = { ...grant, refreshExpiresAt: 1_500 }
  assert.deepEqual(endOf({ grant: refresh }), { at: 1_500, by: 'refresh_token' })
  // Without a refresh token the grant lives as long as its access token.
  const once = { ...grant, refreshToken: undefined }
  assert.deepEqual(endOf({ grant: once }), { at: 1_300, by: 'refresh_token' })
})

test("the IdP's own session is a limit, told beside the one that it forestalls", () => {
  const ends = { seenAt: 1_900, idpSessionExpiresAt: 2_000, expiresAt: 2_000 }
  assert.deepEqual(endOf(ends), { at: 2_000, by: 'idp_session' })
  assert.deepEqual(limitTimes({ ...session, ...ends }, limits), {
    ...{ idle: 2_500, absolute: 4_600, idp_session: 2_000 },
  })
  assert.deepEqual(endOf({ idpSessionExpiresAt: 9_000, seenAt: 4_200 }), {
    ...{ at: 4_600, by: 'absolute' },
  })
})
