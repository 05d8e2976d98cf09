import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBrokenLinkLine, readFaultLine } from '../src/fault-line.ts'

const lines: [what: string, line: string, expected: ReturnType<typeof readFaultLine>][] = [
  [
    'a fault is taken apart into place, text, mend and code',
    '/c/BFF/config/settings.yaml:16:3: auth.oauth_scope: found the unknown key "oauth_scope"; expected one of issuer. Mend: did you mean "oauth_scopes"? [unknown_key]',
    {
      place: '/c/BFF/config/settings.yaml:16:3',
      text: 'auth.oauth_scope: found the unknown key "oauth_scope"; expected one of issuer',
      mend: 'did you mean "oauth_scopes"?',
      code: 'unknown_key',
    },
  ],
  [
    'an address in the text is no place',
    'settings.yaml:5:9: auth.issuer: found http://x:80:1: y; expected https. Mend: change it [invalid_value]',
    {
      place: 'settings.yaml:5:9',
      text: 'auth.issuer: found http://x:80:1: y; expected https',
      mend: 'change it',
      code: 'invalid_value',
    },
  ],
  [
    'a path of Windows keeps its drive',
    'C:\\c\\settings.yaml:1:2: found x [syntax]',
    { place: 'C:\\c\\settings.yaml:1:2', text: 'found x', mend: undefined, code: 'syntax' },
  ],
  [
    'what is no fault of a file is kept as it is',
    'cannot read /c/settings.yaml; set BRIDGE_CONFIG [to] a directory',
    {
      place: undefined,
      text: 'cannot read /c/settings.yaml; set BRIDGE_CONFIG [to] a directory',
      mend: undefined,
      code: undefined,
    },
  ],
  ['and so is nothing', '', { place: undefined, text: '', mend: undefined, code: undefined }],
]
for (const [what, line, expected] of lines) {
  test(what, () => assert.deepEqual(readFaultLine(line), expected))
}

test('a broken link is told from a fault', () => {
  assert.equal(isBrokenLinkLine('broken link route=a at s.yaml:1:2: found x'), true)
  assert.equal(isBrokenLinkLine('s.yaml:1:2: found a broken link route=a'), false)
})
