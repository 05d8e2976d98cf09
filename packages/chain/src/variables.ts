/** The environment as configuration sees it. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A variable that a template names and nobody sets, or a template that never closes. */
export interface VariableFault {
  code: 'variable_missing' | 'template_unclosed'
  name: string
}

/**
 * Replaces `${NAME}` and `${NAME:-default}`; a default may hold templates itself. As in a shell,
 * `:-` also replaces an empty value. A value taken from the environment is never expanded again.
 */
export function expandVariables(
  text: string,
  env: Environment,
): { text: string; faults: VariableFault[] } {
  const faults: VariableFault[] = []

  const expand = (input: string): string => {
    let output = ''
    let at = 0
    while (at < input.length) {
      const open = input.indexOf('${', at)
      if (open === -1) return output + input.slice(at)
      output += input.slice(at, open)
      const close = closingBrace(input, open + 2)
      if (close === -1) {
        faults.push({ code: 'template_unclosed', name: input.slice(open) })
        return output
      }
      output += resolve(input.slice(open + 2, close))
      at = close + 1
    }
    return output
  }

  const resolve = (body: string): string => {
    const split = body.indexOf(':-')
    const name = split === -1 ? body : body.slice(0, split)
    // What every object inherits, `constructor` for example, is no variable.
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (split === -1) {
      if (value === undefined) faults.push({ code: 'variable_missing', name })
      return value ?? ''
    }
    return value === undefined || value === '' ? expand(body.slice(split + 2)) : value
  }

  return { text: expand(text), faults }
}

/** The index of the brace that closes the template whose body starts at `from`, or -1. */
function closingBrace(text: string, from: number): number {
  let depth = 1
  for (let i = from; i < text.length; i++) {
    if (text[i] === '$' && text[i + 1] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  return -1
}

/** The default that `text` gives a variable anywhere, if it gives one. */
export function defaultOf(text: string, name: string): string | undefined {
  const open = `\${${name}:-`
  const at = text.indexOf(open)
  if (at === -1) return undefined
  const close = closingBrace(text, at + 2)
  return close === -1 ? undefined : text.slice(at + open.length, close)
}
