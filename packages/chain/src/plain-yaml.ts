import { Document, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { type Environment, expandVariables } from './variables.ts'

/*
 * A fast reader for the plain part of YAML in which configuration files are written: block mappings
 * and lists, scalars on one line, lists of words in brackets. Whatever it is not sure of (an anchor,
 * a tag, a text over several lines, a doubtful number, a fault of any kind) it does not read at all:
 * then the parser of `yaml` decides. What it reads, it reads as that parser does, at a twentieth of
 * the cost, so that a file of thirty thousand lines can be read anew while requests wait.
 *
 * It makes plain values, and the same nodes as the parser where somebody asks for places.
 */

/** The document, or undefined when the text needs the parser proper. */
export function readPlainYaml(text: string): Document | undefined {
  const contents = unlessUnsure(() => new NodeReader(text).read())
  if (contents === undefined) return undefined
  const document = new Document()
  document.contents = contents as never
  return document
}

/**
 * The value with its templates expanded and its empty keys dropped; undefined when the text needs
 * the parser proper, or a template has a fault.
 */
export function readPlainValue(
  text: string,
  env: Environment,
  plainValue: (text: string) => unknown,
): { value: unknown } | undefined {
  return unlessUnsure(() => ({ value: new ValueReader(text, env, plainValue).read() }))
}

function unlessUnsure<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (cause) {
    if (cause === UNSURE) return undefined
    throw cause
  }
}

const UNSURE = new Error('not plain')

function unsure(): never {
  throw UNSURE
}

type Quoting = typeof Scalar.PLAIN | typeof Scalar.QUOTE_SINGLE | typeof Scalar.QUOTE_DOUBLE

/** What stands in the text, from where to where. */
interface ScalarToken {
  value: string | number | boolean
  source: string
  from: number
  to: number
  type: Quoting
}

const SPACE = 32
const DASH = 45
const HASH = 35

/** Up to the colon that makes it a key. */
const KEY = /([A-Za-z_][A-Za-z0-9_.-]*):(?=[ \n]|$)/y
/** A word in brackets; a colon in it must stand between characters. */
const FLOW_WORD = /[A-Za-z_/](?:[A-Za-z0-9_./+*@=~&%?-]|:(?=[A-Za-z0-9_/]))*/y
const QUOTED = /"([^"\\\n]*)"|'([^'\n]*)'(?!')/y
const NOT_TEXT = /^(?:null|Null|NULL|true|True|TRUE|false|False|FALSE)$/
const NUMBER =
  /^(?:0o[0-7]+|[-+]?[0-9]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$/

/** Walks the lines; the nodes are made by those that extend it. */
abstract class Reader<M, L, S> {
  readonly #text: string
  /** Offsets of the first character of each line that holds something, and of its end. */
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #columns: number[] = []
  readonly #isWide: boolean
  #line = 0

  constructor(text: string) {
    // Tabs, carriage returns, other line breaks and a byte order mark have rules of their own.
    if (/[[\p{Cc}\u2028\u2029\uFEFF]--[\n]]/v.test(text)) unsure()
    this.#text = text
    this.#isWide = /[\u0100-\uffff]/.test(text)
    for (let at = 0; at < text.length; ) {
      let end = text.indexOf('\n', at)
      if (end === -1) end = text.length
      let start = at
      while (start < end && text.charCodeAt(start) === SPACE) start++
      if (start < end && text.charCodeAt(start) !== HASH) {
        this.#starts.push(start)
        this.#ends.push(end)
        this.#columns.push(start - at)
      }
      at = end + 1
    }
  }

  protected abstract scalar(token: ScalarToken): S
  protected abstract map(flow: boolean): M
  protected abstract put(map: M, key: string, keyStart: number, value: M | L | S): void
  protected abstract list(flow: boolean): L
  protected abstract push(list: L, item: M | L | S): void
  protected abstract close(collection: M | L, from: number, to: number): void

  read(): M {
    if (this.#column() !== 0) unsure()
    const map = this.#map(0, this.#start())
    if (this.#line < this.#starts.length) unsure()
    return map
  }

  /** Column of the current line; -1 at the end. */
  #column = (): number => this.#columns[this.#line] ?? -1
  #start = (): number => this.#starts[this.#line] ?? 0
  #end = (): number => this.#ends[this.#line] ?? 0
  #lastEnd = (): number => this.#ends[this.#line - 1] ?? 0

  #map(column: number, first: number): M {
    const map = this.map(false)
    const known = new Set<string>()
    let at = first
    do {
      KEY.lastIndex = at
      const name = this.#own(KEY.exec(this.#text)?.[1] ?? unsure())
      // `__proto__` is no key of a plain value, and a fault.
      if (known.has(name) || NOT_TEXT.test(name) || name === '__proto__') unsure()
      known.add(name)
      this.put(map, name, at, this.#valueOf(column, KEY.lastIndex))
      at = this.#start()
    } while (this.#column() === column && !this.#isDash())
    if (this.#column() >= column) unsure()
    this.close(map, first, this.#lastEnd())
    return map
  }

  #list(column: number): L {
    const list = this.list(false)
    const first = this.#start()
    do {
      const start = this.#start()
      const end = this.#end()
      const at = this.#skip(start + 1, end)
      // An item on the next line, a list in a list, or a comment.
      if (at === end || this.#text.charCodeAt(at) === HASH) unsure()
      KEY.lastIndex = at
      if (KEY.test(this.#text)) this.push(list, this.#map(column + at - start, at))
      else {
        this.push(list, this.#inline(at, end))
        this.#line++
      }
    } while (this.#column() === column && this.#isDash())
    if (this.#column() > column) unsure()
    this.close(list, first, this.#lastEnd())
    return list
  }

  #valueOf(column: number, from: number): M | L | S {
    const end = this.#end()
    const at = this.#skip(from, end)
    if (at < end && this.#text.charCodeAt(at) !== HASH) {
      const value = this.#inline(at, end)
      this.#line++
      return value
    }
    this.#line++
    const below = this.#column()
    if (below >= column && this.#isDash()) return this.#list(below)
    // No value at all has rules of its own.
    return below > column ? this.#map(below, this.#start()) : unsure()
  }

  #isDash(): boolean {
    const start = this.#start()
    if (this.#text.charCodeAt(start) !== DASH) return false
    return this.#text.charCodeAt(start + 1) === SPACE || unsure()
  }

  /**
   * A string of its own. Where one letter of the file is beyond Latin-1, in a comment even, V8 makes
   * each slice of it one of two bytes a letter, and so every head and line that is put together with
   * a name of the file: each request would pay for the conversion.
   */
  #own(slice: string): string {
    return this.#isWide ? JSON.parse(JSON.stringify(slice)) : slice
  }

  #skip(from: number, end: number): number {
    let at = from
    while (at < end && this.#text.charCodeAt(at) === SPACE) at++
    return at
  }

  /** A value that ends on its line, save for a comment. */
  #inline(start: number, end: number): M | L | S {
    switch (this.#text[start]) {
      case '"':
      case "'": {
        const token = this.#quoted(start)
        this.#expectNothing(token.to, end)
        return this.scalar(token)
      }
      case '[':
        return this.#words(start, end)
      case '{': {
        if (this.#text[start + 1] !== '}') unsure()
        this.#expectNothing(start + 2, end)
        const empty = this.map(true)
        this.close(empty, start, start + 2)
        return empty
      }
      default:
        return this.scalar(this.#plain(start, end))
    }
  }

  /** Nothing but a comment may follow. */
  #expectNothing(from: number, end: number): void {
    const at = this.#skip(from, end)
    if (at === end) return
    if (at === from || this.#text.charCodeAt(at) !== HASH) unsure()
  }

  #quoted(start: number): ScalarToken {
    QUOTED.lastIndex = start
    const found = QUOTED.exec(this.#text) ?? unsure()
    const value = this.#own(found[1] ?? found[2] ?? '')
    const type = found[1] === undefined ? Scalar.QUOTE_SINGLE : Scalar.QUOTE_DOUBLE
    return { value, source: value, from: start, to: QUOTED.lastIndex, type }
  }

  #words(start: number, end: number): L {
    const text = this.#text
    const list = this.list(true)
    let at = this.#skip(start + 1, end)
    while (text[at] !== ']') {
      const token = text[at] === '"' || text[at] === "'" ? this.#quoted(at) : this.#word(at)
      this.push(list, this.scalar(token))
      at = this.#skip(token.to, end)
      if (text[at] === ']') break
      if (text[at] !== ',') unsure()
      at = this.#skip(at + 1, end)
      if (text[at] === ']') unsure()
    }
    this.#expectNothing(at + 1, end)
    this.close(list, start, at + 1)
    return list
  }

  #word(start: number): ScalarToken {
    FLOW_WORD.lastIndex = start
    const word = this.#own(FLOW_WORD.exec(this.#text)?.[0] ?? unsure())
    if (NOT_TEXT.test(word)) unsure()
    return { value: word, source: word, from: start, to: start + word.length, type: Scalar.PLAIN }
  }

  #plain(start: number, end: number): ScalarToken {
    const line = this.#text.slice(start, end)
    const comment = line.indexOf(' #')
    const source = this.#own((comment === -1 ? line : line.slice(0, comment)).trimEnd())
    if (!/^[A-Za-z0-9_/$.]/.test(source) || /:(?: |$)/.test(source)) unsure()
    const token = { source, from: start, to: start + source.length, type: Scalar.PLAIN } as const
    if (/^[0-9.]/.test(source) && NUMBER.test(source)) {
      if (!/^(?:0|[1-9][0-9]{0,14})$/.test(source)) unsure()
      return { ...token, value: Number(source) }
    }
    if (!NOT_TEXT.test(source)) return { ...token, value: source }
    if (/^[nN]/.test(source)) unsure()
    return { ...token, value: /^[tT]/.test(source) }
  }
}

type Value = Record<string, unknown> | unknown[] | string | number | boolean | null

class ValueReader extends Reader<Record<string, unknown>, unknown[], Value> {
  readonly #env: Environment
  readonly #plainValue: (text: string) => unknown

  constructor(text: string, env: Environment, plainValue: (text: string) => unknown) {
    super(text)
    this.#env = env
    this.#plainValue = plainValue
  }

  protected scalar({ value, type }: ScalarToken): Value {
    if (typeof value !== 'string' || !value.includes('${')) return value
    const { text, faults } = expandVariables(value, this.#env)
    if (faults.length > 0) unsure()
    return type === Scalar.PLAIN ? (this.#plainValue(text) as Value) : text
  }

  protected map(): Record<string, unknown> {
    return {}
  }

  protected list(): unknown[] {
    return []
  }

  protected close(): void {}

  protected put(map: Record<string, unknown>, key: string, _: number, value: unknown): void {
    // A key without a value is the same as no key.
    if (value !== null) map[key] = value
  }

  protected push(list: unknown[], item: unknown): void {
    list.push(item)
  }
}

class NodeReader extends Reader<YAMLMap, YAMLSeq, Scalar> {
  protected scalar({ value, source, from, to, type }: ScalarToken): Scalar {
    const node = new Scalar<unknown>(value)
    node.range = [from, to, to]
    node.type = type
    node.source = source
    return node
  }

  protected map(flow: boolean): YAMLMap {
    const map = new YAMLMap()
    if (flow) map.flow = true
    return map
  }

  protected list(flow: boolean): YAMLSeq {
    const list = new YAMLSeq()
    if (flow) list.flow = true
    return list
  }

  protected put(map: YAMLMap, key: string, from: number, value: YAMLMap | YAMLSeq | Scalar): void {
    const to = from + key.length
    const node = this.scalar({ value: key, source: key, from, to, type: Scalar.PLAIN })
    map.items.push(new Pair(node, value))
  }

  protected push(list: YAMLSeq, item: YAMLMap | YAMLSeq | Scalar): void {
    list.items.push(item)
  }

  protected close(collection: YAMLMap | YAMLSeq, from: number, to: number): void {
    collection.range = [from, to, to]
  }
}
