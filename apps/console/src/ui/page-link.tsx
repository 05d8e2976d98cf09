import type { MouseEvent, ReactNode } from 'react'
import { goTo } from '../address.ts'

type Props = {
  to: string
  children: ReactNode
  className?: string
  current?: 'page' | 'true' | undefined
  /** By which the row can be found again. */
  id?: string
}

/** A link within the console: followed without loading the page anew, and still a link. */
export function PageLink({ to, children, className, current, id }: Props) {
  return (
    <a
      href={to}
      id={id}
      className={className}
      aria-current={current}
      onClick={(event) => {
        if (opensElsewhere(event)) return
        event.preventDefault()
        goTo(to)
      }}
    >
      {children}
    </a>
  )
}

/** With a key held, the person asked for another tab, a window or a download. */
function opensElsewhere(event: MouseEvent): boolean {
  return event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey
}
