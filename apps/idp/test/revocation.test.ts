import assert from 'node:assert/strict'
import test from 'node:test'
import * as oidc from 'openid-client'
import { discover, exchange, login, tokenRequest } from './relying-party.ts'
import { startIdp } from './start-idp.ts'

test('the revocation of a refresh token ends its login', async (t) => {
  const idp = await startIdp(t)
  const config = await discover(idp)
  const refresh = (token: unknown) => oidc.refreshTokenGrant(config, String(token))

  /** A login that was refreshed twice, with a service token of each age. */
  const age = async () => {
    const generations = [(await login(config)).tokens]
    for (let turn = 0; turn < 2; turn++) {
      generations.push(await refresh(generations.at(-1)?.refresh_token))
    }
    const services = await Promise.all(
      generations.map(({ access_token }) => exchange(idp, access_token)),
    )
    return { generations, services: services.map(({ body }) => String(body.access_token)) }
  }
  const assertEnded = async ({ generations, services }: Awaited<ReturnType<typeof age>>) => {
    for (const { access_token, refresh_token } of generations) {
      await assert.rejects(refresh(refresh_token), { error: 'invalid_grant' })
      assert.equal((await exchange(idp, access_token)).body.error, 'invalid_grant')
      for (const token of [access_token, String(refresh_token), ...services]) {
        assert.deepEqual(await oidc.tokenIntrospection(config, token), { active: false })
      }
      await assert.rejects(oidc.fetchUserInfo(config, access_token, 'user-alice'))
    }
  }

  for (const [name, which] of [
    ['the latest', 2],
    ['one that was used', 1],
    ['the first, used long ago', 0],
  ] as const) {
    await t.test(name, async () => {
      const aged = await age()
      await oidc.tokenRevocation(config, String(aged.generations[which]?.refresh_token))
      await assertEnded(aged)
    })
  }

  await t.test('while it is refreshed and exchanged', async () => {
    const aged = await age()
    const last = aged.generations.at(-1)
    const refreshes = [refresh(last?.refresh_token), refresh(last?.refresh_token)]
    const exchanged = exchange(idp, String(last?.access_token))
    await oidc.tokenRevocation(config, String(last?.refresh_token))
    for (const answer of await Promise.allSettled(refreshes)) {
      if (answer.status === 'fulfilled') aged.generations.push(answer.value)
    }
    aged.services.push(String((await exchanged).body.access_token ?? 'none'))
    await assertEnded(aged)
  })

  await t.test('and of nobody else', async () => {
    const [mine, theirs] = [await age(), await age()]
    const stolen = String(mine.generations.at(-1)?.refresh_token)
    const { status } = await tokenRequest(
      idp,
      { token: stolen },
      { clientId: 'other-bff', path: '/revoke' },
    )
    assert.equal(status, 400)
    await oidc.tokenRevocation(config, String(theirs.generations[0]?.refresh_token))
    await refresh(stolen)
  })
})
