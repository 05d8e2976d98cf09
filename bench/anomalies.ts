import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { createHabits, replay, type Unit } from '@audience-bridge/analytics/anomalies/replay.ts'
import { surpriseOf, type Tails } from '@audience-bridge/analytics/anomalies/score.ts'

/*
 * Judges the anomaly method on labelled logons (CMU's insider threat data, release 4.2): everybody's
 * habits are learnt from January on, logons from April to September are scored by what came before
 * them, and the scores are compared with the labels. Run by hand:
 *
 *   node bench/anomalies.ts <logons.csv.gz> <users.csv>
 */

const FROM_HOUR = Date.UTC(2010, 3, 1) / 3_600_000

interface Labelled extends Unit {
  label: string
}

function readRoles(path: string): Map<string, string> {
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1)
  return new Map(lines.map((line) => line.split(',').slice(0, 2) as [string, string]))
}

async function readUnits(path: string, roles: Map<string, string>): Promise<Labelled[]> {
  const units = new Map<string, Labelled & { newResources: string[] }>()
  const seen = new Set<string>()
  const lines = createInterface({ input: createReadStream(path).pipe(createGunzip()) })
  for await (const line of lines) {
    const [time = '', subject = '', service = '', action, resource = '', , , label = '0'] =
      line.split(',')
    if (action !== 'Logon') continue
    const ms = Date.parse(time)
    const hour = Math.floor(ms / 3_600_000)
    const key = `${subject} ${hour}`
    let unit = units.get(key)
    if (unit === undefined) {
      const role = roles.get(subject)
      unit = {
        subject,
        service,
        hour,
        accesses: 0,
        roles: role === undefined ? [] : [role],
        newResources: [],
        firstMs: ms,
        lastMs: ms,
        label: '0',
      }
      units.set(key, unit)
    }
    unit.accesses += 1
    unit.lastMs = ms
    if (label !== '0') unit.label = label
    if (!seen.has(`${subject} ${resource}`)) {
      seen.add(`${subject} ${resource}`)
      unit.newResources.push(resource)
    }
  }
  return [...units.values()].sort((a, b) => a.hour - b.hour)
}

interface Point {
  score: number
  positive: boolean
  subject: string
}

interface Figures {
  auc: number
  ap: number
  recall: number
}

/**
 * ROC-AUC by ranks (ties count half), average precision, recall at 1 % false positives.
 *
 * @param sorted strangest first.
 * @param weightOf how often a subject was drawn.
 */
function judge(sorted: readonly Point[], weightOf: (subject: string) => number): Figures {
  let [positives, negatives] = [0, 0]
  for (const { positive, subject } of sorted) {
    if (positive) positives += weightOf(subject)
    else negatives += weightOf(subject)
  }
  let [tp, fp, area, ap, recall] = [0, 0, 0, 0, 0]
  for (let i = 0; i < sorted.length; ) {
    const score = sorted[i]?.score
    let [p, n] = [0, 0]
    for (let point = sorted[i]; point?.score === score && point !== undefined; ) {
      if (point.positive) p += weightOf(point.subject)
      else n += weightOf(point.subject)
      i += 1
      point = sorted[i]
    }
    area += n * (tp + p / 2)
    if (p > 0) ap += (p / positives) * ((tp + p) / (tp + p + fp + n))
    tp += p
    fp += n
    if (fp <= negatives * 0.01) recall = tp / positives
  }
  return { auc: area / (positives * negatives), ap, recall }
}

const RESAMPLES = 200

/** 95 % intervals by drawing subjects with replacement: with so few positives, much is chance. */
function intervals(sorted: readonly Point[]): Record<keyof Figures, string> {
  const subjects = [...new Set(sorted.map(({ subject }) => subject))]
  const drawn: Figures[] = []
  while (drawn.length < RESAMPLES) {
    const weights = new Map<string, number>()
    for (let i = 0; i < subjects.length; i += 1) {
      const subject = subjects[Math.floor(Math.random() * subjects.length)] ?? ''
      weights.set(subject, (weights.get(subject) ?? 0) + 1)
    }
    const figures = judge(sorted, (subject) => weights.get(subject) ?? 0)
    if (!Number.isNaN(figures.auc)) drawn.push(figures)
  }
  const range = (key: keyof Figures) => {
    const values = drawn.map((figures) => figures[key]).sort((a, b) => a - b)
    const at = (share: number) => (values[Math.floor(share * RESAMPLES)] ?? 0).toFixed(3)
    return `${at(0.025)}–${at(0.975)}`
  }
  return { auc: range('auc'), ap: range('ap'), recall: range('recall') }
}

const [logons = '', users = ''] = process.argv.slice(2)
if (!existsSync(logons) || !existsSync(users)) {
  process.stderr.write('usage: node bench/anomalies.ts <logons.csv.gz> <users.csv>\n')
  process.exit(2)
}
const units = await readUnits(logons, readRoles(users))
const judged: { unit: Labelled; tails: Tails }[] = []
const start = performance.now()
await replay(
  createHabits(),
  units,
  (unit) => unit.hour >= FROM_HOUR,
  ({ unit, tails }) => judged.push({ unit, tails }),
)
const seconds = (performance.now() - start) / 1000

const ways: Record<string, (tails: Tails) => number> = {
  'all features, as shipped': (tails) =>
    Object.values(surpriseOf(tails)).reduce((sum, part) => sum + part, 0),
  'hour, own with roles': ({ hour }) => -Math.log10(hour),
  'hour, roles alone': ({ roleHour }) => -Math.log10(roleHour),
  'first use of a resource alone': ({ resource }) => -Math.log10(resource),
}
process.stdout.write(
  `${units.length} units, ${judged.length} judged in ${seconds.toFixed(1)} s, ` +
    `${judged.filter(({ unit }) => unit.label !== '0').length} labelled\n`,
)
for (const [name, way] of Object.entries(ways)) {
  for (const scenario of ['any', '1', '3']) {
    const points = judged.flatMap(({ unit, tails }) =>
      scenario === 'any' || unit.label === '0' || unit.label === scenario
        ? [{ score: way(tails), positive: unit.label !== '0', subject: unit.subject }]
        : [],
    )
    points.sort((a, b) => b.score - a.score)
    const { auc, ap, recall } = judge(points, () => 1)
    const range = intervals(points)
    process.stdout.write(
      `${name.padEnd(30)} scenario ${scenario.padEnd(3)} AUC ${auc.toFixed(3)} [${range.auc}]  AP ${ap.toFixed(3)} [${range.ap}]  recall@1% ${recall.toFixed(2)} [${range.recall}]\n`,
    )
  }
}
