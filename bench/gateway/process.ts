import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** The core of what is measured, and that of everything else. */
export const CORES = { subject: '0', others: '1' }

/** This process measures bodies itself: away from the subject's core. */
export const moveAside = () =>
  spawnSync('taskset', ['-acp', CORES.others, String(process.pid)], { stdio: 'ignore' })

// Whoever ends the benchmark early ends all that it has started.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))

/** A process tied to one core; told to end when this process ends. */
export function onCore(
  core: string,
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; stdin?: 'pipe'; stdout?: number; cwd?: string } = {},
): ChildProcess {
  const child = spawn('taskset', ['-c', core, command, ...args], {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [options.stdin ?? 'ignore', options.stdout ?? 'pipe', 'inherit'],
  })
  // Not by force: the workers of some would go on without the one that looks after them.
  const end = () => child.kill('SIGTERM')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

/** A child's first line of output, as JSON. */
export async function firstLine<T>(child: ChildProcess): Promise<T> {
  let text = ''
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return JSON.parse(text.slice(0, text.indexOf('\n'))) as T
}

/** A child's whole output, as JSON. */
export async function outputOf<T>(child: ChildProcess): Promise<T> {
  let text = ''
  for await (const chunk of child.stdout ?? []) text += String(chunk)
  return JSON.parse(text) as T
}

const TICKS = 100

/** CPU time of processes and their children so far, in milliseconds; nginx serves from its workers. */
export const cpuMs = (pids: readonly number[]): number =>
  family(pids).reduce((sum, one) => {
    const fields = statOf(one)
    return sum + ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1000
  }, 0)

/** Resident memory of processes and their children, in KB. */
export const rssKb = (pids: readonly number[]): number =>
  family(pids).reduce((sum, one) => {
    const line = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'))
    return sum + Number(line?.[1] ?? 0)
  }, 0)

/** The fields of /proc/PID/stat behind the name, which may hold anything. */
const statOf = (pid: number): string[] => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function family(pids: readonly number[]): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => {
      try {
        return pids.includes(Number(statOf(one)[1]))
      } catch {
        return false
      }
    })
  return [...new Set([...pids, ...children])]
}

export const has = (command: string): boolean =>
  spawnSync('which', [command], { stdio: 'ignore' }).status === 0

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} could not be started`)
  return child.pid
}
