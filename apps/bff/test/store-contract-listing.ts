import assert from 'node:assert/strict'
import type { SessionKey, SessionStore } from '@audience-bridge/bff/session/store.ts'
import { at, bytes, newId, type Run, session, text } from './store-contract-world.ts'

const key = (kind: SessionKey['kind']): SessionKey => ({ kind, hash: newId() })

/** Every session that is listed, page by page. */
async function listAll(store: SessionStore, by: SessionKey | 'all', limit: number) {
  const found = []
  let after: string | undefined
  do {
    const page = await store.listSessions(by, { limit, ...(after === undefined ? {} : { after }) })
    assert.ok(page.sessions.length <= limit, 'a page is bounded')
    found.push(...page.sessions)
    after = page.next
  } while (after !== undefined)
  return found
}

const idsOf = (sessions: readonly { id: string }[]) => sessions.map(({ id }) => id).sort()

/** What is found without a user's cookie. */
export function listingContract(run: Run): void {
  run('sessions are listed by their user and by the session at the IdP', async (a, b) => {
    const [ben, eve, here, there] = [key('user'), key('user'), key('sid'), key('sid')]
    const [one, two, other] = [newId(), newId(), newId()]
    await a.insertSession(one, session({ keys: [ben, here], card: bytes('one') }))
    await b.insertSession(two, session({ keys: [ben, there] }))
    await b.insertSession(other, session({ keys: [eve] }))
    assert.deepEqual(idsOf(await listAll(b, ben, 10)), [one, two].sort())
    assert.deepEqual(idsOf(await listAll(a, eve, 10)), [other])
    assert.deepEqual(idsOf(await listAll(a, there, 10)), [two])
    const [listed] = await listAll(b, here, 10)
    assert.deepEqual(
      { ...listed, card: text(listed?.card) },
      {
        ...{ id: one, card: 'one' },
        ...{ createdAt: at(1_000), seenAt: at(1_000), expiresAt: at(9_000) },
      },
    )
    // A hash of a user is none of a session at the IdP.
    assert.deepEqual(await listAll(a, { kind: 'sid', hash: ben.hash }, 10), [])
  })

  run('a session that has ended is not listed', async (a, b) => {
    const user = key('user')
    const [one, two] = [newId(), newId()]
    await a.insertSession(one, session({ keys: [user] }))
    await a.insertSession(two, session({ keys: [user] }))
    await a.deleteSession(one, 'logout')
    assert.deepEqual(idsOf(await listAll(b, user, 10)), [two])
    assert.ok(!idsOf(await listAll(b, 'all', 100)).includes(one))
  })

  run('pages hold each session once, whatever ends meanwhile', async (a, b) => {
    const user = key('user')
    const ids = Array.from({ length: 23 }, newId)
    // Some end at the same time, some earlier than what was inserted before.
    for (const [i, id] of ids.entries()) {
      await a.insertSession(id, session({ keys: [user], expiresAt: at(9_000 - (i % 5)) }))
    }
    assert.deepEqual(idsOf(await listAll(b, user, 4)), [...ids].sort())
    const all = idsOf(await listAll(b, 'all', 4))
    assert.equal(new Set(all).size, all.length, 'none twice')
    assert.deepEqual(
      ids.filter((id) => !all.includes(id)),
      [],
    )

    const first = await b.listSessions(user, { limit: 4 })
    assert.ok(first.next)
    for (const { id } of first.sessions) await a.deleteSession(id, 'admin')
    const rest = []
    let after: string | undefined = first.next
    while (after !== undefined) {
      const page = await b.listSessions(user, { limit: 4, after })
      rest.push(...page.sessions)
      after = page.next
    }
    assert.deepEqual(idsOf([...first.sessions, ...rest]), [...ids].sort())
  })

  run('a cursor of somebody else is no failure', async (a) => {
    for (const after of ['', 'x', 'zz:1:2', '-1', '00:', "0' OR 1"]) {
      for (const by of ['all', key('user')] as const) {
        assert.ok(Array.isArray((await a.listSessions(by, { limit: 2, after })).sessions))
      }
    }
  })

  run('a card is replaced with its record, and only then', async (a, b) => {
    const user = key('user')
    const id = newId()
    const card = async () => text((await listAll(b, user, 10))[0]?.card)
    await a.insertSession(id, session({ keys: [user] }))
    await a.replaceSession(id, bytes('second'), 1)
    assert.equal(await card(), 'card')
    await a.replaceSession(id, bytes('third'), 2, bytes('new card'))
    assert.equal(await card(), 'new card')
    await a.replaceSession(id, bytes('stale'), 2, bytes('stale card'))
    assert.equal(await card(), 'new card')
  })

  run('sessions are counted', async (a, b) => {
    const before = await a.countSessions()
    const ids = Array.from({ length: 5 }, newId)
    for (const id of ids) await a.insertSession(id, session())
    assert.equal(await b.countSessions(), before + 5)
    for (const id of ids) await b.deleteSession(id, 'logout')
    assert.equal(await b.countSessions(), before)
  })
}
