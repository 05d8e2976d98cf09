import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { pino } from 'pino'
import { openAccounts } from '../src/accounts/accounts.ts'
import { createAttempts } from '../src/accounts/attempts.ts'
import { hashPassword, isPasswordHash, verifyPassword } from '../src/accounts/password.ts'
import { writeUsers } from '../src/accounts/users-file.ts'

const silent = pino({ level: 'silent' })

test('password hashes', async (t) => {
  const hash = await hashPassword('secret')
  assert.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$/)
  assert.equal(await verifyPassword('secret', hash), true)
  assert.equal(await verifyPassword('Secret', hash), false)
  assert.notEqual(await hashPassword('secret'), hash)

  const rest = '$MTIzNDU2Nzg5MDEyMzQ1Ng$MTIzNDU2Nzg5MDEyMzQ1Ng'
  const refused = [
    'plain',
    `$scrypt$ln=14,r=8,p=1${rest}`,
    `$scrypt$ln=30,r=8,p=1${rest}`,
    `$scrypt$ln=15,r=1,p=1${rest}`,
    '$scrypt$ln=15,r=8,p=1$short$short',
  ]
  for (const text of refused) {
    await t.test(`${text} is none`, async () => {
      assert.equal(isPasswordHash(text), false)
      assert.equal(await verifyPassword('secret', text), false)
    })
  }
})

test('the users file', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'idp-users-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'users.yaml')
  const password_hash = await hashPassword('pw')
  const user = (name: string) => ({ sub: `sub-${name}`, username: name, roles: [], password_hash })

  const accounts = await openAccounts(path, silent)
  await t.test('may be missing: nobody signs in', async () => {
    assert.equal(await accounts.authenticate('ann', 'pw'), undefined)
  })

  await t.test('is reread when it changes', async () => {
    writeUsers(path, [user('ann')])
    assert.equal((await accounts.authenticate('ann', 'pw'))?.sub, 'sub-ann')
    assert.equal(await accounts.authenticate('ann', 'other'), undefined)
    writeUsers(path, [user('ann'), user('ben')])
    assert.equal(accounts.find('sub-ben')?.username, 'ben')
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  await t.test('that turns malformed leaves the users as they were', () => {
    writeFileSync(path, 'users: [{sub: x}]')
    assert.equal(accounts.find('sub-ben')?.username, 'ben')
  })

  await t.test('that is malformed at the start stops it, and no hash is quoted', async () => {
    const weak = { ...user('ann'), password_hash: 'hunter2' }
    writeFileSync(path, JSON.stringify({ users: [weak] }))
    await assert.rejects(openAccounts(path, silent), (error) => {
      assert.match(String(error), /users\.yaml is malformed: users\.0\.password_hash/)
      assert.doesNotMatch(String(error), /hunter2/)
      return true
    })
    writeFileSync(
      path,
      JSON.stringify({ users: [user('ann'), { ...user('ben'), sub: 'sub-ann' }] }),
    )
    await assert.rejects(openAccounts(path, silent), /same sub/)
  })

  await t.test('that goes away takes its users along', async () => {
    writeUsers(path, [user('ann')])
    const living = await openAccounts(path, silent)
    assert.ok(living.find('sub-ann'))
    unlinkSync(path)
    assert.equal(living.find('sub-ann'), undefined)
  })
})

test('the limiter of guesses', async (t) => {
  let now = 0
  const fail = (attempts: ReturnType<typeof createAttempts>, name: string, address: string) =>
    attempts.begin(name, address).kind

  await t.test('stops five failures of one name from one address, for a while', () => {
    const attempts = createAttempts(() => now)
    for (let i = 0; i < 5; i++) assert.equal(fail(attempts, 'ann', '1'), 'allowed')
    assert.equal(fail(attempts, 'ann', '1'), 'limited')
    assert.equal(fail(attempts, 'ann', '2'), 'allowed')
    assert.equal(fail(attempts, 'ben', '1'), 'allowed')
    now += 300
    assert.equal(fail(attempts, 'ann', '1'), 'allowed')
  })

  await t.test('does not count what succeeded', () => {
    const attempts = createAttempts(() => now)
    for (let i = 0; i < 200; i++) {
      const attempt = attempts.begin('ann', '1')
      assert.ok(attempt.kind === 'allowed')
      attempt.succeeded()
    }
  })

  await t.test('counts guesses that are still under way', () => {
    const attempts = createAttempts(() => now)
    const kinds = Array.from({ length: 8 }, () => fail(attempts, 'ann', '1'))
    assert.equal(kinds.filter((kind) => kind === 'allowed').length, 5)
  })

  await t.test('stops one name guessed from many addresses, and many names from one', () => {
    const attempts = createAttempts(() => now)
    const spread = Array.from({ length: 60 }, (_, i) => fail(attempts, 'ann', `address ${i}`))
    assert.equal(spread.filter((kind) => kind === 'allowed').length, 50)
    const sprayed = Array.from({ length: 120 }, (_, i) => fail(attempts, `name ${i}`, 'one'))
    assert.equal(sprayed.filter((kind) => kind === 'allowed').length, 100)
  })
})
