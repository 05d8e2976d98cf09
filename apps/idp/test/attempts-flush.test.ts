import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAttempts } from '../src/accounts/attempts.ts'

/*
 * The attack: an address that is limited goes on guessing at thousands of made-up names. If each of
 * these refused guesses opened windows, they would push out the one that counts against it.
 */
test('whoever is limited cannot make the limiter forget', () => {
  const attempts = createAttempts(() => 1_000)
  const from = '192.0.2.1'
  for (let i = 0; i < 5; i++) attempts.begin('victim', from)
  for (let i = 0; i < 95; i++) attempts.begin(`name-${i}`, from)
  assert.equal(attempts.begin('somebody', from).kind, 'limited', 'the address is at its limit')
  for (let i = 0; i < 20_000; i++) attempts.begin(`made-up-${i}`, from)
  assert.equal(attempts.begin('victim', from).kind, 'limited')
  assert.equal(attempts.begin('somebody', from).kind, 'limited')
  assert.equal(attempts.begin('somebody', '192.0.2.2').kind, 'allowed')
})
