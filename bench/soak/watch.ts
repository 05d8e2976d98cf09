import { readdirSync, readFileSync } from 'node:fs'

/** What a process and its children hold. */
export interface Holding {
  rssMb: number
  descriptors: number
}

export function holdingOf(pid: number): Holding {
  const pids = [pid, ...childrenOf(pid)]
  return pids.map(holdingOfOne).reduce((sum, one) => ({
    rssMb: sum.rssMb + one.rssMb,
    descriptors: sum.descriptors + one.descriptors,
  }))
}

function holdingOfOne(pid: number): Holding {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])
  return { rssMb: kb / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/**
 * Growth from the second fifth of the samples to the last: the first is warm-up, and the medians do
 * not see the moment before a collection.
 */
export function growthOf(samples: readonly number[]): { before: number; after: number } {
  const fifth = Math.floor(samples.length / 5)
  return {
    before: median(samples.slice(fifth, 2 * fifth)),
    after: median(samples.slice(-fifth)),
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
