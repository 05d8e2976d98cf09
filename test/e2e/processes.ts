import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ROOT, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import type { Ready } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

/** Whether a process with this id is there and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A killed process whose parent has not asked for its end yet is still signalled without an error.
  if (!existsSync(`/proc/${pid}/stat`)) return process.platform !== 'linux'
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** The ids of processes that were started for a data directory, where the system tells. */
export function processesOf(data: string): number[] {
  if (!existsSync('/proc/self/environ')) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`BRIDGE_DATA=${data}\0`)
      } catch {
        return false
      }
    })
    .filter(isAlive)
}

export interface Command {
  child: ChildProcess
  output(): string
  exited: Promise<number | null>
  readyFile: string
  /** What `--ready-file` says, once it is there. */
  ready(timeoutMs?: number): Promise<Ready>
}

/** Runs a command of the project as a person would, with a ready file of its own. */
export function runCommand(t: TestContext, command: string, args: string[], data: string): Command {
  const readyFile = join(temporaryDirectory(t), 'ready.json')
  const child = spawn(command, [...args, '--data', data, '--ready-file', readyFile], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  let over = false
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      over = true
      resolve(code)
    })
  })
  t.after(async () => {
    if (!over) child.kill('SIGTERM')
    // What outlived its parent would hold our pipe, and the wait for its end would be for ever.
    const late = setTimeout(() => {
      for (const pid of processesOf(data)) process.kill(pid, 'SIGKILL')
    }, 20_000)
    await exited
    clearTimeout(late)
  })
  const ready = async (timeoutMs = 90_000) => {
    await until(
      'the system',
      () => {
        if (over) throw new Error(`it ended instead of starting:\n${output}`)
        return existsSync(readyFile)
      },
      timeoutMs,
    )
    return JSON.parse(readFileSync(readyFile, 'utf8')) as Ready
  }
  return { child, output: () => output, exited, readyFile, ready }
}
