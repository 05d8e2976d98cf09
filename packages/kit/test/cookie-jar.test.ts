import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCookieJar } from '../src/cookie-jar.ts'

const rows: { name: string; from: string; set: string[]; to: string; sent: string | undefined }[] =
  [
    {
      name: '__Host- with Secure comes back to plain http on localhost',
      from: 'http://localhost:8080/auth/callback',
      set: ['__Host-bff_session=abc; Path=/; HttpOnly; Secure; SameSite=Lax'],
      to: 'http://localhost:8080/api/crud/projects',
      sent: '__Host-bff_session=abc',
    },
    {
      name: 'ports do not matter',
      from: 'http://localhost:8002/',
      set: ['a=1; Path=/'],
      to: 'http://localhost:8080/',
      sent: 'a=1',
    },
    {
      name: 'hosts do',
      from: 'http://localhost:8080/',
      set: ['a=1; Path=/'],
      to: 'http://127.0.0.1:8080/',
      sent: undefined,
    },
    {
      name: 'Secure is not taken from plain http elsewhere',
      from: 'http://bff.example/',
      set: ['a=1; Secure'],
      to: 'https://bff.example/',
      sent: undefined,
    },
    {
      name: 'Secure is not sent to plain http elsewhere',
      from: 'https://bff.example/',
      set: ['a=1; Secure; Path=/'],
      to: 'http://bff.example/',
      sent: undefined,
    },
    {
      name: '__Host- needs Path=/',
      from: 'https://bff.example/x/y',
      set: ['__Host-a=1; Secure; Path=/x', '__Host-b=1; Secure; Domain=bff.example; Path=/'],
      to: 'https://bff.example/x/y',
      sent: undefined,
    },
    {
      name: 'the longest path comes first, others are left out',
      from: 'http://localhost/api/oidc/interaction/1',
      set: ['a=root; Path=/', 'a=deep; Path=/api/oidc', 'b=other; Path=/api/oid'],
      to: 'http://localhost/api/oidc/token',
      sent: 'a=deep; a=root',
    },
    {
      name: 'without Path it is the directory of the page',
      from: 'http://localhost/api/oidc/auth',
      set: ['a=1'],
      to: 'http://localhost/api/other',
      sent: undefined,
    },
    {
      name: 'Max-Age=0 deletes',
      from: 'http://localhost/',
      set: ['a=1; Path=/', 'a=; Path=/; Max-Age=0'],
      to: 'http://localhost/',
      sent: undefined,
    },
    {
      name: 'a past Expires deletes',
      from: 'http://localhost/',
      set: ['a=1; Path=/', 'a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
      to: 'http://localhost/',
      sent: undefined,
    },
    {
      name: 'a Domain reaches the hosts below it',
      from: 'https://bff.ocg.example/',
      set: ['a=1; Domain=.ocg.example; Path=/'],
      to: 'https://idp.ocg.example/',
      sent: 'a=1',
    },
    {
      name: 'a foreign Domain is refused',
      from: 'https://bff.ocg.example/',
      set: ['a=1; Domain=other.example; Path=/'],
      to: 'https://other.example/',
      sent: undefined,
    },
  ]

for (const { name, from, set, to, sent } of rows) {
  test(`cookies: ${name}`, () => {
    const jar = createCookieJar()
    jar.store(new URL(from), set)
    assert.equal(jar.header(new URL(to)), sent)
  })
}

test('cookies: one with Max-Age ends by itself', () => {
  let now = 1_000
  const jar = createCookieJar(() => now)
  const url = new URL('http://localhost/')
  jar.store(url, ['a=1; Path=/; Max-Age=10'])
  now += 9_999
  assert.equal(jar.header(url), 'a=1')
  now += 1
  assert.equal(jar.header(url), undefined)
})
