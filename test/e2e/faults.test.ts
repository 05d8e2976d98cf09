import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editConfig } from '@audience-bridge/testkit/config-copy.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { FAULTS, type FaultCase } from './fault-cases.ts'
import { compareFaults, compareVerify, type FaultSection, settle } from './fault-page.ts'
import {
  ask,
  explained,
  explainedByCommand,
  type FaultWorld,
  runBridge,
  type Seen,
  snapshotConfig,
  startFaultWorld,
  verified,
} from './fault-world.ts'

/*
 * Every fault by name: broken in a running system; named by `check` where the files show it, by
 * `verify` and by `explain`; healed by the mend as given; and then 200 with the session of before.
 */

test('every fault is named and its mend heals it, without restart and without sign-out', async (t) => {
  const world = await startFaultWorld(t)
  assert.equal((await ask(world)).status, 200, 'the system works before anything is broken')
  await t.test('bridge explain prints what the BFF explains', async () => {
    const { id } = await ask(world, '/api/nowhere')
    const printed = await explainedByCommand(world, id)
    assert.equal(printed, `${(await explained(world, id))?.text}\n`)
    assert.ok(printed.includes('[route_missing]'))
  })
  const healthy = await verified(world)
  let broken = ''
  const restore = await snapshotConfig(world)
  const sections: FaultSection[] = []
  for (const fault of FAULTS) {
    await t.test(fault.name, async () => {
      try {
        await breakIt(world, fault)
        const printed = await (fault.refused ? seeRefused : seeNamed)(world, fault)
        sections.push(sectionOf(world, fault, printed))
        if (fault.code === 'audience_differs') broken ||= await verified(world)
        await seeOffline(world, fault)
        await healIt(world, fault)
        await seeStatus(world, fault, 200)
        assert.equal((await ask(world)).status, 200, 'the session of before still works')
      } finally {
        // What one case leaves must not be the next one's fault.
        await restore()
      }
    })
  }
  await t.test('the pages show what was printed', () => {
    compareFaults(sections)
    compareVerify(settle(world, healthy), settle(world, broken))
  })
})

function sectionOf(world: FaultWorld, fault: FaultCase, printed: string): FaultSection {
  const { name, offline, heals, remedy } = fault
  const healed =
    remedy ?? (heals === 'mend' ? `\`bridge mend ${offline} --write\`` : 'the mend above')
  return {
    name,
    command: fault.refused ? 'verify' : 'explain',
    printed: settle(world, printed),
    healed,
  }
}

const requestOf = ({ request }: FaultCase) => request ?? ((world: FaultWorld) => ask(world))

async function breakIt(world: FaultWorld, { breaks }: FaultCase): Promise<void> {
  if (typeof breaks === 'function') await breaks(world)
  else editConfig(world.system.config, breaks)
}

/** The files are malformed: `verify` says so, and what was in force goes on. */
async function seeRefused(world: FaultWorld, fault: FaultCase): Promise<string> {
  const said = await until(`verify names ${fault.code}`, async () => {
    const output = await verified(world, '--json')
    return output.includes(fault.code) && output
  })
  assert.ok(said.includes('"refused": true'))
  assert.equal((await requestOf(fault)(world)).status, 200, 'what was in force goes on')
  const { config } = JSON.parse(said) as { config: { faults: string[] } }
  return `The files on disk are refused; what was in force goes on:\n  ${config.faults.join('\n  ')}`
}

/** A request fails; `explain` and `verify` name why. */
async function seeNamed(world: FaultWorld, fault: FaultCase): Promise<string> {
  const { id } = await seeStatus(world, fault, fault.code)
  const [said, walked] = await Promise.all([
    explained(world, id).then((explanation) => explanation?.text ?? ''),
    fault.notWalked ? fault.code : verified(world, '--json'),
  ])
  assert.ok(said.includes(`[${fault.code}]`), `explain names it:\n${said}`)
  assert.ok(walked.includes(fault.code), `verify names it:\n${walked}`)
  return said
}

async function seeOffline(world: FaultWorld, { offline }: FaultCase): Promise<void> {
  if (offline === undefined) return
  const check = await runBridge(world, ['check', '--config', world.system.config, '--json'])
  assert.equal(check.code, 1, check.stderr)
  assert.ok(check.stdout.includes(offline), `check names it:\n${check.stdout}`)
}

async function healIt(world: FaultWorld, { heals, offline }: FaultCase): Promise<void> {
  if (typeof heals === 'function') return heals(world)
  if (heals !== 'mend') return editConfig(world.system.config, heals)
  const args = ['mend', offline ?? '', '--write', '--config', world.system.config]
  const mend = await runBridge(world, args)
  assert.equal(mend.code, 0, mend.stdout + mend.stderr)
}

/** Asks until the answer has this status, or fails with this code; says what it was instead. */
async function seeStatus(world: FaultWorld, fault: FaultCase, wanted: 200 | string): Promise<Seen> {
  let last: Seen | undefined
  try {
    return await until(`${wanted}`, async () => {
      last = await requestOf(fault)(world)
      const seen = wanted === 200 ? last.status === 200 : last.status >= 400 && last.code === wanted
      return seen && last
    })
  } catch (cause) {
    throw new Error(`no ${wanted}; the last answer was ${JSON.stringify(last)}`, { cause })
  }
}
