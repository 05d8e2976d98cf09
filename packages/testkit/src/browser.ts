import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

/** Debian's; another one by the environment. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** A page of a real Chromium with cookies of its own, and everything that it complained of. */
export interface Tab {
  page: Page
  context: BrowserContext
  /** Errors of the console, uncaught exceptions and violated policies, in words. */
  complaints: string[]
}

export async function openTab(t: TestContext): Promise<Tab> {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`no browser at ${EXECUTABLE}: install chromium, or set CHROMIUM to one`)
  }
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    // Chromium's own sandbox refuses to run as root, as CI does.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  t.after(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || /content.security.policy/i.test(message.text())) {
      complaints.push(`console: ${message.text()} (${message.location().url})`)
    }
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`))
  // Reported by the page itself too: a violation in a page that is about to be left reaches no console.
  await context.exposeFunction('complain', (text: string) => {
    complaints.push(text)
  })
  await context.addInitScript(
    `document.addEventListener('securitypolicyviolation', (event) =>
       complain('policy: ' + event.violatedDirective + ' at ' + event.documentURI))`,
  )
  return { page, context, complaints }
}
