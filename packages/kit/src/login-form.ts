/** The form of a sign-in page: where it goes and what it already holds. */
export interface LoginForm {
  action: URL
  /** Hidden fields. */
  fields: [string, string][]
}

/** The first form with a password field, or undefined. */
export function findLoginForm(html: string, page: URL): LoginForm | undefined {
  for (const [, head = '', body = ''] of html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)) {
    const inputs = [...body.matchAll(/<input\b([^>]*)>/gi)].map(([, text = '']) =>
      attributesOf(text),
    )
    if (!inputs.some((input) => input.get('name') === 'password')) continue
    const action = attributesOf(head).get('action') ?? page.href
    return {
      action: new URL(action, page),
      fields: inputs.flatMap((input): [string, string][] => {
        const name = input.get('name')
        const hidden = input.get('type')?.toLowerCase() === 'hidden'
        return hidden && name ? [[name, input.get('value') ?? '']] : []
      }),
    }
  }
  return undefined
}

function attributesOf(text: string): Map<string, string> {
  const attributes = new Map<string, string>()
  for (const match of text.matchAll(/([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/gi)) {
    const [, name = '', double, single, bare] = match
    attributes.set(name.toLowerCase(), unescapeHtml(double ?? single ?? bare ?? ''))
  }
  return attributes
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeHtml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal) return String.fromCodePoint(Number(decimal))
    return NAMED[name] ?? whole
  })
}
