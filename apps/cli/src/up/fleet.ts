import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DONE, FAULTS_FOUND } from '../outcome.ts'
import type { Show } from './progress.ts'

interface Member {
  name: string
  child: ChildProcess
  exited: Promise<number | null>
  /** It has listened: from now on its end is the system's end. */
  up: boolean
  /** Its last lines, for the message when it dies. */
  tail: string[]
}

export interface FleetOptions {
  root: string
  env: Record<string, string | undefined>
  logDirectory: string
  /** Also prints what the processes log. */
  echo: boolean
}

/** Who answers requests keeps little of what they need: room for more of it is memory for nothing. */
const FLAGS = ['--max-semi-space-size=16']

const START_MS = 60_000
const STOP_MS = 35_000
const TAIL_LINES = 12

/** The processes of one system: started one by one, stopped together. */
export class Fleet {
  readonly #options: FleetOptions
  readonly #members: Member[] = []
  readonly #died = Promise.withResolvers<string>()
  #stopping: Promise<void> | undefined

  constructor(options: FleetOptions) {
    this.#options = options
  }

  get stopping(): boolean {
    return this.#stopping !== undefined
  }

  pids(): Record<string, number | undefined> {
    return Object.fromEntries(this.#members.map(({ name, child }) => [name, child.pid]))
  }

  /** Resolves once the process logs that it listens; rejects with its last lines when it dies. */
  async start(name: string, script: string): Promise<void> {
    const listening = Promise.withResolvers<void>()
    const member = this.#spawn(name, script, {}, (line) => {
      if (!line.includes('"message":"listening"')) return
      member.up = true
      listening.resolve()
    })
    const late = setTimeout(
      () =>
        listening.reject(
          new Error(`${name} does not listen after ${START_MS / 1000} s${tailOf(member)}`),
        ),
      START_MS,
    )
    member.exited.then(() => listening.reject(new Error(`${name} did not start${tailOf(member)}`)))
    try {
      await listening.promise
    } finally {
      clearTimeout(late)
    }
  }

  /** Starts the generator, which comes and goes without the system's health depending on it. */
  startDemo(script: string, env: Record<string, string>, show: Show): void {
    this.#spawn('demo', script, env, (line) => {
      const progress = /"progress":\s*([0-9.]+)/.exec(line)?.[1]
      if (progress === undefined) return
      const percent = Math.round(Number(progress) * 100)
      show(percent >= 100 ? '  Sample history: complete.' : `  Sample history: ${percent} %`, {
        fleeting: percent < 100,
      })
    })
  }

  /** Resolves with the exit code once everything has stopped: by a signal, or by a death. */
  async stopOnSignal(): Promise<number> {
    const signal = Promise.withResolvers<void>()
    process.on('SIGINT', () => signal.resolve())
    process.on('SIGTERM', () => signal.resolve())
    // A closed terminal or a dropped connection: nobody is left to stop the processes.
    process.on('SIGHUP', () => signal.resolve())
    process.on('uncaughtException', (cause) => {
      this.#died.resolve(`the launcher failed: ${cause.message}`)
    })
    const death = await Promise.race([signal.promise, this.#died.promise])
    if (typeof death === 'string') process.stderr.write(`bridge up: ${death}\n`)
    await this.stop()
    return typeof death === 'string' ? FAULTS_FOUND : DONE
  }

  /** Stops the last started first, so that nobody loses what it still talks to. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const { child, exited } of [...this.#members].reverse()) {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        await exited
        clearTimeout(late)
      }
    })()
    return this.#stopping
  }

  #spawn(
    name: string,
    script: string,
    env: Record<string, string>,
    onLine: (line: string) => void,
  ): Member {
    const { root, logDirectory, echo } = this.#options
    const child = spawn(process.execPath, [...FLAGS, join(root, script)], {
      cwd: root,
      env: { ...this.#options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A Ctrl+C in the terminal reaches this process alone, which then stops the others in order.
      detached: true,
    })
    const file = createWriteStream(join(logDirectory, `${name}.log`), { flags: 'a', mode: 0o600 })
    // A full disk costs the log, not the system.
    file.on('error', () => {})
    const member: Member = {
      name,
      child,
      up: false,
      tail: [],
      exited: new Promise((resolve) => {
        child.once('error', () => resolve(null))
        child.once('close', resolve)
      }),
    }
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        file.write(`${line}\n`)
        member.tail.push(line)
        if (member.tail.length > TAIL_LINES) member.tail.shift()
        if (echo) process.stdout.write(`${line}\n`)
        onLine(line)
      })
    }
    member.exited.then((code) => {
      file.end()
      if (this.#stopping === undefined && member.up) {
        this.#died.resolve(`${name} ended with code ${code}${tailOf(member)}`)
      }
    })
    this.#members.push(member)
    return member
  }
}

const tailOf = ({ tail }: Member) => (tail.length === 0 ? '' : `:\n${tail.join('\n')}`)
