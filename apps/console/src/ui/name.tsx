import { Fragment } from 'react'

/** A technical name that may break where its own separators are, and nowhere else if it can. */
export function Name({ children }: { children: string }) {
  const parts = children.split(/(?<=[_.:/@-])/)
  return (
    <span className="strong">
      {parts.map((part, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of one string have no other identity
        <Fragment key={i}>
          {i > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </span>
  )
}
