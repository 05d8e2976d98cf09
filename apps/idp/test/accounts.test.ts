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
import { until } from './until.ts'

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
  t.after(() => accounts.close())
  await t.test('may be missing: nobody signs in', async () => {
    assert.equal(await accounts.authenticate('ann', 'pw'), undefined)
    assert.equal(accounts.status().refused, false)
  })

  await t.test('lets in at once who was added, and refuses a wrong password', async () => {
    writeUsers(path, [user('ann')])
    assert.equal((await accounts.authenticate('ann', 'pw'))?.sub, 'sub-ann')
    assert.equal(await accounts.authenticate('ann', 'other'), undefined)
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  await t.test('is reread when it changes', async () => {
    writeUsers(path, [user('ben')])
    await until(() => accounts.find('sub-ben')?.username === 'ben')
    assert.equal(accounts.find('sub-ann'), undefined)
  })

  for (const [slip, spoil] of Object.entries({
    'turns malformed': () => writeFileSync(path, 'users: [{sub: x}]'),
    'is emptied': () => writeFileSync(path, ''),
    'goes away': () => unlinkSync(path),
  })) {
    await t.test(`that ${slip} is reported, and leaves the users as they were`, async () => {
      spoil()
      await until(() => accounts.status().refused)
      assert.match(accounts.status().faults.join(), /users\.yaml is/)
      assert.equal((await accounts.authenticate('ben', 'pw'))?.sub, 'sub-ben')
      assert.equal(await accounts.authenticate('nobody', 'pw'), undefined)
      writeUsers(path, [user('ben')])
      await until(() => !accounts.status().refused)
    })
  }

  await t.test('that says so has no users', async () => {
    writeUsers(path, [])
    await until(() => accounts.find('sub-ben') === undefined)
    assert.deepEqual(accounts.status().faults, [])
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
