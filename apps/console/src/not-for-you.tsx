import { pageHref } from './page.ts'
import { PageLink } from './ui/page-link.tsx'

/** For whoever follows an administrator's link without the role. */
export function NotForYou({ search }: { search: string }) {
  return (
    <main className="centre">
      <div className="card" data-testid="not-for-you">
        <h1>This page is for administrators</h1>
        <p className="card-text">
          It tells how calls are bridged, and why some are not. If one of yours was refused, give
          its correlation id to an administrator.
        </p>
        <PageLink className="more" to={pageHref(search, 'analytics')}>
          To the analytics
        </PageLink>
      </div>
    </main>
  )
}
