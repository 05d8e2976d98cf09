import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { watchFiles } from '../src/watch.ts'
import { makeFolder, until } from './folder.ts'

/** What a reader that is told of changes last read of the file. */
function follow(t: TestContext, paths: () => readonly string[]) {
  const told: string[] = []
  const watcher = watchFiles(paths, () => {
    told.push(
      paths()
        .map((path) => readOrMissing(path))
        .join('|'),
    )
  })
  t.after(() => watcher.close())
  return told
}

function readOrMissing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '(missing)'
  }
}

const WAYS: Record<string, (file: string, folder: string) => void> = {
  'written in place': (file) => writeFileSync(file, 'new'),
  'written in place with the same size and time': (file) => {
    const past = new Date(1_000_000)
    writeFileSync(file, 'odd')
    utimesSync(file, past, past)
  },
  'written in pieces': (file) => {
    for (const piece of ['', 'n', 'ne', 'new']) writeFileSync(file, piece)
  },
  'replaced by a rename': (file, folder) => {
    writeFileSync(join(folder, '.new.swp'), 'new')
    renameSync(join(folder, '.new.swp'), file)
  },
  'moved aside and written anew': (file) => {
    renameSync(file, `${file}~`)
    writeFileSync(file, 'new')
  },
  'deleted and made again': (file) => {
    rmSync(file)
    writeFileSync(file, 'new')
  },
  'put back with its whole directory': (file, folder) => {
    renameSync(folder, `${folder}.old`)
    mkdirSync(folder)
    writeFileSync(file, 'new')
  },
}

for (const [way, change] of Object.entries(WAYS)) {
  test(`a file ${way} is noticed`, async (t) => {
    const folder = join(makeFolder(t), 'config')
    mkdirSync(folder)
    const file = join(folder, 'settings.yaml')
    writeFileSync(file, 'old')
    const told = follow(t, () => [file])
    change(file, folder)
    const expected = readFileSync(file, 'utf8')
    await until(() => told.at(-1) === expected)
    // The directory is watched as it is now, too.
    writeFileSync(file, 'newest')
    await until(() => told.at(-1) === 'newest')
  })
}

for (const [way, linked] of Object.entries({ 'of its own': false, 'behind a link': true })) {
  test(`a change in a folder ${way} is noticed within a second`, async (t) => {
    const target = join(makeFolder(t), 'real.yaml')
    const link = join(makeFolder(t), 'settings.yaml')
    symlinkSync(target, link)
    writeFileSync(target, 'old')
    const told = follow(t, () => [linked ? link : target])
    const took: number[] = []
    for (const text of ['one', 'two', 'three']) {
      const start = performance.now()
      writeFileSync(target, text)
      await until(() => told.at(-1) === text)
      took.push(performance.now() - start)
    }
    // The quickest: this machine may be busy with other tests.
    assert.ok(Math.min(...took) < 1_000, `${took} ms`)
  })
}

test('the swap of a ..data link, as Kubernetes updates a volume, is noticed', async (t) => {
  const folder = makeFolder(t)
  const publish = (name: string, text: string) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'settings.yaml'), text)
    symlinkSync(name, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  publish('..2026_1', 'old')
  const file = join(folder, 'settings.yaml')
  symlinkSync('..data/settings.yaml', file)
  const told = follow(t, () => [file])
  for (const [at, text] of ['new', 'newer', 'newest'].entries()) {
    publish(`..2026_${at + 2}`, text)
    await until(() => told.at(-1) === text)
  }
})

test('a file is noticed when it appears, in a directory that was not there', async (t) => {
  const folder = join(makeFolder(t), 'not', 'yet')
  const file = join(folder, 'users.yaml')
  const told = follow(t, () => [file])
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, 'here')
  await until(() => told.at(-1) === 'here')
  rmSync(file)
  await until(() => told.at(-1) === '(missing)')
})

test('a file put back as it was is reported: in between, somebody may have read another', async (t) => {
  const file = join(makeFolder(t), 'settings.yaml')
  const past = new Date(1_000_000)
  writeFileSync(file, 'old')
  utimesSync(file, past, past)
  const told = follow(t, () => [file])
  rmSync(file)
  writeFileSync(file, 'old')
  await until(() => told.at(-1) === 'old')
})

test('a path that joins the list is noticed and followed', async (t) => {
  const folder = makeFolder(t)
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  writeFileSync(one, '1')
  writeFileSync(two, '2')
  const paths = [one]
  const told = follow(t, () => paths)
  paths.push(two)
  await until(() => told.at(-1) === '1|2')
  writeFileSync(two, '3')
  await until(() => told.at(-1) === '1|3')
})

test('of many quick changes the last is never missed, and few are reported', async (t) => {
  const file = join(makeFolder(t), 'settings.yaml')
  writeFileSync(file, 'old')
  const told = follow(t, () => [file])
  for (let round = 0; round < 20; round++) {
    const last = `${round}.9`
    for (let step = 0; step < 10; step++) writeFileSync(file, `${round}.${step}`)
    await until(() => told.at(-1) === last)
  }
  assert.ok(told.length < 60, `${told.length} reports for 20 bursts`)
})

test('a file that never rests is reported all the same', async (t) => {
  const file = join(makeFolder(t), 'settings.yaml')
  writeFileSync(file, 'old')
  const told = follow(t, () => [file])
  let count = 0
  const writer = setInterval(() => writeFileSync(file, `${count++}`), 10)
  t.after(() => clearInterval(writer))
  await until(() => told.length > 0)
})

test('neither other permissions nor a neighbour file are a change', async (t) => {
  const folder = makeFolder(t)
  const file = join(folder, 'settings.yaml')
  writeFileSync(file, 'same')
  const told = follow(t, () => [file])
  chmodSync(file, 0o600)
  writeFileSync(join(folder, 'database'), 'busy')
  // A second watch that sees a later change proves that the first had its chance.
  const after = join(folder, 'after')
  const witness = follow(t, () => [after])
  writeFileSync(after, 'x')
  await until(() => witness.at(-1) === 'x')
  assert.deepEqual(told, [])
})

test('a closed watch is silent', async (t) => {
  const file = join(makeFolder(t), 'settings.yaml')
  let told = 0
  for (let round = 0; round < 50; round++) {
    const watcher = watchFiles(
      () => [file],
      () => told++,
    )
    writeFileSync(file, String(round))
    watcher.close()
  }
  const witness = follow(t, () => [file])
  writeFileSync(file, 'end')
  await until(() => witness.at(-1) === 'end')
  assert.equal(told, 0)
})

test('neither closed watches nor directories that left the list keep a watch open', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const folder = makeFolder(t)
  const before = watchesOpen()
  let path = ''
  for (let round = 0; round < 20; round++) {
    mkdirSync(join(folder, String(round)))
    path = join(folder, String(round), 'file')
    watchFiles(
      () => [path],
      () => {},
    ).close()
  }
  assert.equal(watchesOpen(), before)

  const told = follow(t, () => [path])
  assert.equal(watchesOpen(), before + 1)
  for (let round = 0; round < 5; round++) {
    path = join(folder, String(round), 'file')
    writeFileSync(path, String(round))
    await until(() => told.at(-1) === String(round))
  }
  assert.equal(watchesOpen(), before + 1)
})

/** The kernel's own count. */
function watchesOpen(): number {
  const open = readdirSync('/proc/self/fdinfo').map((fd) =>
    readOrMissing(`/proc/self/fdinfo/${fd}`),
  )
  return open.join('').split('inotify wd:').length - 1
}
