import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { filesOf, workspaceOf } from './files.ts'

export interface Import {
  specifier: string
  /** A path below the root for our own files, the specifier for everything else. */
  target: string
  /** The package that must be declared; undefined for our own workspace and for Node's modules. */
  package: string | undefined
  typeOnly: boolean
  /** What is named of it; empty for a namespace, a re-export of all, or a side effect. */
  names: string[]
  line: number
}

export interface Source {
  imports: Import[]
  /** Uses of globals that reach out of the process: `process.…` and `fetch(…)`. */
  globals: { name: string; line: number }[]
  exportsDefault: boolean
}

const SCOPE = '@audience-bridge/'
const WORKSPACES = new Map(
  filesOf('{apps,packages}/*/package.json').map((path) => {
    const directory = posix.dirname(path)
    return [posix.basename(directory), directory]
  }),
)

/** What a file imports and which globals it touches, by its syntax tree. */
export function parse(file: string, text: string): Source {
  const { module, program, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`)
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const found = (specifier: string, at: number, typeOnly: boolean, names: string[]): Import => ({
    specifier,
    ...resolve(file, specifier),
    typeOnly,
    names,
    line: lineOf(at),
  })

  const imports = module.staticImports.map(({ start, moduleRequest, entries }) =>
    found(
      moduleRequest.value,
      start,
      entries.length > 0 && entries.every(({ isType }) => isType),
      entries.flatMap(({ importName: { kind, name } }) =>
        kind === 'NamespaceObject' ? [] : [name ?? 'default'],
      ),
    ),
  )
  let exportsDefault = false
  for (const { start, entries } of module.staticExports) {
    for (const { moduleRequest, isType, importName, exportName } of entries) {
      if (exportName.kind === 'Default') exportsDefault = true
      if (moduleRequest === null) continue
      const names = importName.name === null ? [] : [importName.name]
      imports.push(found(moduleRequest.value, start, isType, names))
    }
  }
  const globals: Source['globals'] = []
  const use = (name: string, at: number) => globals.push({ name, line: lineOf(at) })
  new Visitor({
    ImportExpression({ source, start }) {
      // An import of what is only known at run time cannot be judged.
      const literal = source.type === 'Literal' && typeof source.value === 'string'
      imports.push(found(literal ? String(source.value) : '(computed)', start, false, []))
    },
    TSImportType({ source, start }) {
      imports.push(found(source.value, start, true, []))
    },
    MemberExpression({ object, property, start }) {
      if (object.type !== 'Identifier') return
      if (object.name === 'process') use('process', start)
      const reached = property.type === 'Identifier' ? property.name : ''
      if (object.name === 'globalThis' && ['process', 'fetch'].includes(reached)) {
        use(reached, start)
      }
    },
    CallExpression({ callee, start }) {
      if (callee.type === 'Identifier' && callee.name === 'fetch') use('fetch', start)
    },
  }).visit(program)
  if (imports.some(({ target }) => target === 'node:process')) use('process', 0)
  return { imports, globals, exportsDefault }
}

function resolve(file: string, specifier: string): Pick<Import, 'target' | 'package'> {
  if (specifier.startsWith('.')) {
    return { target: posix.join(posix.dirname(file), specifier), package: undefined }
  }
  if (isBuiltin(specifier)) {
    return { target: `node:${specifier.replace(/^node:/, '')}`, package: undefined }
  }
  const [first = '', second = ''] = specifier.split('/')
  const name = specifier.startsWith('@') ? `${first}/${second}` : first
  const workspace = specifier.startsWith(SCOPE) ? WORKSPACES.get(second) : undefined
  if (workspace === undefined) return { target: specifier, package: name }
  const target = `${workspace}/src/${specifier.slice(name.length + 1)}`
  return { target, package: workspace === workspaceOf(file) ? undefined : name }
}
