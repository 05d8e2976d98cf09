import { type Edits, inOrder, replace } from './config-copy.ts'

/** Settings under which a proxy on this machine is handed tokens; the secret is `secrets/edge.secret`. */
export const edgeSettings = (lines: readonly string[] = []): Edits => ({
  'BFF/config/settings.yaml': inOrder(
    replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
    replace(
      'admin:\n',
      [
        'edge:',
        '  tokens: true',
        '  secret: file:${BRIDGE_DATA:-.data}/secrets/edge.secret',
        ...lines.map((line) => `  ${line}`),
        '',
        'admin:\n',
      ].join('\n'),
    ),
  ),
})
