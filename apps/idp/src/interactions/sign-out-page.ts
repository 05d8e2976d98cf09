import { type PageSite, renderPage } from './page.ts'

/**
 * The page that ends the session. `form` is the provider's form, with the id `op.logoutForm` and a
 * secret in it; the answer `logout=yes` ends the session, anything else leaves it.
 *
 * @param proven the client has shown an ID token of the very user who is signed in: nobody needs to
 *   be asked again. Without one the user is: the attack is a link that signs people out.
 */
export function signOutPage(site: PageSite, form: string, proven: boolean): string {
  if (proven) {
    return renderPage(
      site,
      'Signing out',
      `<h1>Signing out…</h1>
${form}
<input type="hidden" name="logout" value="yes" form="op.logoutForm">
<noscript><button type="submit" form="op.logoutForm">Sign out</button></noscript>`,
      { script: 'sign-out.js' },
    )
  }
  return renderPage(
    site,
    'Sign out',
    `<h1>Sign out?</h1>
<p class="muted">Every application that you use with this sign-in will ask for your password again.</p>
${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
<button class="quiet" type="submit" form="op.logoutForm">Stay signed in</button>`,
  )
}
