import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, returnTo } from '../src/address.ts'

const PAGE = 'https://app.example/items'

test('canonical paths reach the BFF under any base, and no /api is there twice', async (t) => {
  const cases: [base: string | undefined, path: string, address: string][] = [
    [undefined, '/api/v1/analytics/workflows', 'https://app.example/api/v1/analytics/workflows'],
    ['', '/api/v1/x?a=b', 'https://app.example/api/v1/x?a=b'],
    ['/', '/api/v1/x', 'https://app.example/api/v1/x'],
    ['/api', '/api/v1/x', 'https://app.example/api/v1/x'],
    ['/api/', '/api/v1/x', 'https://app.example/api/v1/x'],
    ['/api', '/v1/x', 'https://app.example/api/v1/x'],
    ['/api', '/apiary/x', 'https://app.example/api/apiary/x'],
    ['https://bff.example', '/api/v1/x', 'https://bff.example/api/v1/x'],
    ['https://bff.example/api', '/api/v1/x', 'https://bff.example/api/v1/x'],
    ['https://bff.example/gate/api', '/api/v1/x', 'https://bff.example/gate/api/v1/x'],
    ['https://bff.example/gate', '/api/v1/x', 'https://bff.example/gate/api/v1/x'],
    // A service of the name `api` below `/api` keeps both: only the base's own is never doubled.
    ['/api', '/api/api/x', 'https://app.example/api/api/x'],
    [undefined, '//evil.example/x', 'https://app.example//evil.example/x'],
  ]
  for (const [base, path, address] of cases) {
    await t.test(`${path} on ${base}`, () => {
      assert.equal(addressOf(base, PAGE).api(path), address)
    })
  }
})

test('own paths leave out an /api at the end of the base', () => {
  assert.equal(addressOf('/api', PAGE).own('/auth/login'), 'https://app.example/auth/login')
  assert.equal(addressOf('https://b.example/g/api', PAGE).own('/x'), 'https://b.example/g/x')
})

test('nothing but a path is taken: an address could take the CSRF token elsewhere', () => {
  const { api } = addressOf('https://bff.example', PAGE)
  for (const path of ['https://evil.example/', '@evil.example/', '.evil.example/', 'v1', '']) {
    assert.throws(() => api(path), TypeError, path)
  }
})

test('a page comes back as the BFF takes it', async (t) => {
  const long = 'x'.repeat(2044)
  const cases: [page: string, bff: string, back: string][] = [
    ['https://app.example/a?b=c#d', 'https://app.example', '/a?b=c#d'],
    ['https://app.example/a?b=c#d', 'https://bff.example', 'https://app.example/a?b=c#d'],
    ['https://app.example//evil.example', 'https://app.example', '/evil.example'],
    ['https://app.example/a?b=\\c#\\d', 'https://app.example', '/a?b=%5Cc#%5Cd'],
    [`https://app.example/a?b=c#${long}`, 'https://app.example', '/a?b=c'],
    [`https://app.example/a?${long}`, 'https://app.example', `/a?${long}`],
    [`https://app.example/a?${long}xxx`, 'https://app.example', '/a'],
    [`https://app.example/${long}xxxx`, 'https://app.example', '/'],
    ['https://app.example/ä b?ö', 'https://app.example', '/%C3%A4%20b?%C3%B6'],
  ]
  for (const [page, bff, back] of cases) {
    await t.test(`${page.slice(0, 40)} for ${bff}`, () => {
      assert.equal(returnTo(new URL(page), bff), back)
    })
  }
})
