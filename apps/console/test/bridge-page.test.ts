import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTab, type Tab } from '@audience-bridge/testkit/browser.ts'
import { type Edits, editConfig, replace } from '@audience-bridge/testkit/config-copy.ts'
import { type System, startSystem } from '@audience-bridge/testkit/system.ts'

const AUDIENCE = '  analytics_service: https://analytics.ocg.labs.empowernow.ai\n'
const WITH_SLASH = AUDIENCE.replace('.ai\n', '.ai/\n')
const inSettings = (from: string, to: string): Edits => ({
  'BFF/config/settings.yaml': replace(from, to),
})

async function signIn({ page }: Tab, system: System, role: string): Promise<void> {
  const user = system.users.find(({ roles }) => roles.includes(role))
  assert.ok(user)
  await page.goto(`${system.bff}/?page=bridge`)
  await page.getByTestId('sign-in').click()
  await page.getByLabel('User name').fill(user.username)
  await page.getByLabel('Password').fill(user.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByTestId('user').waitFor()
  assert.equal(page.url(), `${system.bff}/?page=bridge`)
}

test("the administrators' page in a real browser", { timeout: 120_000 }, async (t) => {
  const system = await startSystem(t)
  const tab = await openTab(t)
  const { page, context, complaints } = tab
  const text = (testId: string) => page.getByTestId(testId)

  await t.test('is not for a member, and asks for nothing in their name', async () => {
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await signIn(tab, system, 'member')
    await text('not-for-you').waitFor()
    assert.equal(await page.getByRole('link', { name: 'Bridge' }).count(), 0)
    assert.deepEqual(
      asked.filter((path) => path.startsWith('/admin/')),
      [],
    )
    page.removeAllListeners('request')
  })

  await t.test(
    'shows an administrator that every chain holds, and what each leads to',
    async () => {
      await context.clearCookies()
      await signIn(tab, system, 'admin')
      await text('verdict').getByText('No route is broken').waitFor()
      const chain = text('chain-api-analytics')
      await chain.getByText('https://analytics.ocg.labs.empowernow.ai', { exact: false }).waitFor()
      await chain.getByText('api.read', { exact: true }).waitFor()
      await chain.getByRole('img', { name: 'every one holds' }).waitFor()
      await text('backend-crud_service').getByText('as the map says').waitFor()
    },
  )

  // Gone if the page were loaded anew.
  await page.evaluate('window.marker = "here"')

  await t.test('names a link that breaks, without being loaded anew', async () => {
    editConfig(system.config, inSettings(AUDIENCE, WITH_SLASH))
    await text('verdict').getByText('1 route is broken').waitFor()
    const card = text('panel-configuration').getByTestId('broken-link')
    assert.match(
      String(await card.textContent()),
      /audience_differs.*stops api-analytics.*BFF\/config\/settings\.yaml:\d+:\d+.*trailing slash/,
    )
    await page.getByRole('button', { name: 'api-analytics' }).click()
    await text('chain-api-analytics').getByText('an earlier link is broken').first().waitFor()
  })

  await t.test('explains the failure that the analytics met', async () => {
    await page.getByRole('link', { name: 'Analytics' }).click()
    await page.getByRole('link', { name: 'Explain this' }).first().click()
    const explanation = text('explanation')
    await explanation.getByText('broke first').waitFor()
    const words = String(await explanation.textContent())
    assert.match(words, /GET \/api\/v1\/analytics\//)
    assert.match(words, /401 NO_TOKEN_AVAILABLE/)
    const id = new URL(page.url()).searchParams.get('request')
    assert.ok(words.includes(`npx bridge explain ${id}`))
    await page.locator('.request[aria-current="true"]').waitFor()
  })

  await t.test('tells that a refused file changes nothing, and heals with the next', async () => {
    editConfig(system.config, inSettings('oauth_scopes:', 'oauth_scope:'))
    await text('refused').getByText('did you mean "oauth_scopes"?').waitFor()
    await text('reload').click()
    await page.getByText('read and refused').waitFor()
    editConfig(system.config, inSettings('oauth_scope:', 'oauth_scopes:'))
    editConfig(system.config, inSettings(WITH_SLASH, AUDIENCE))
    await text('reload').click()
    await text('verdict').getByText('No route is broken').waitFor()
    await text('refused').waitFor({ state: 'detached' })
    await text('explanation').getByText('The configuration has changed since').waitFor()
  })

  assert.equal(await page.evaluate('window.marker'), 'here')
  assert.deepEqual(
    complaints.filter((complaint) => !/status of 401/.test(complaint)),
    [],
  )
})
