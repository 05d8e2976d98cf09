import { leaveHeaders, leavePage } from './leave-page.ts'
import { messagePage, type PageSite, pageHeaders, renderPage } from './page.ts'
import { signOutPage } from './sign-out-page.ts'

/** The response that the library lets a page be put into. */
export interface PageContext {
  set(headers: Record<string, string>): void
  type: string
  body: unknown
}

/** The pages that the library shows itself, in our looks and under our headers. */
export function providerPages(site: PageSite) {
  const show = (ctx: PageContext, html: string) => {
    ctx.set(pageHeaders(site))
    ctx.type = 'html'
    ctx.body = html
  }
  return {
    error(ctx: PageContext, error: string, description = ''): void {
      const text = 'The application sent a request that cannot be answered. Go back and try again.'
      show(ctx, messagePage(site, 'Sign-in stopped', text, `${error}: ${description}`))
    },
    signOut(ctx: PageContext, form: string, proven: boolean): void {
      show(ctx, signOutPage(site, form, proven))
    },
    leave(ctx: PageContext, frames: string[], next: string): void {
      show(ctx, leavePage(site, frames, next))
      ctx.set(leaveHeaders(site, frames))
    },
    signedOut(ctx: PageContext): void {
      show(ctx, renderPage(site, 'Signed out', '<h1>You are signed out</h1>'))
    },
  }
}
