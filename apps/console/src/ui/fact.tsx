import type { ReactNode } from 'react'
import { Copy } from './copy.tsx'

type Props = { name: string; value: string; copyable?: boolean; children?: ReactNode }

/** One line of a `dl.facts`. What follows the value are its children. */
export function Fact({ name, value, copyable = false, children }: Props) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <code>{value}</code>
        {copyable && <Copy value={value} what={name.toLowerCase()} />}
        {children}
      </dd>
    </div>
  )
}
