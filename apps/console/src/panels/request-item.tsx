import type { SeenRequest } from '../api/admin.ts'
import { formatMoment } from '../format.ts'
import { requestHref } from '../page.ts'
import { Answer } from '../ui/answer.tsx'
import { Name } from '../ui/name.tsx'
import { PageLink } from '../ui/page-link.tsx'

type Props = { request: SeenRequest; isSelected: boolean; search: string }

/** By which the link of a row can be found. */
export const rowId = (id: string) => `request-${id}`

/** One request; the whole row leads to its explanation. */
export function RequestItem({ request, isSelected, search }: Props) {
  const { id, at, method, path, session } = request
  return (
    <li>
      <PageLink
        className="request"
        id={rowId(id)}
        to={requestHref(search, id)}
        current={isSelected ? 'true' : undefined}
      >
        <time dateTime={at}>{formatMoment(at, Date.now())}</time>
        <span className="request-path">
          <span className="method">{method}</span> <Name>{path}</Name>
        </span>
        <Answer request={request} />
        <span className="request-id">
          <code>{id}</code>
          {session?.subject !== undefined && <span> · {session.subject}</span>}
        </span>
      </PageLink>
    </li>
  )
}
