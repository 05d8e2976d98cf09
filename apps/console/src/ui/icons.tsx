/** Decoration only: the words beside them carry the meaning. */

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M5 21.5h22M8 21.5a8 8 0 0 1 16 0M16 13.5v8" />
    </svg>
  )
}

export function WarningIcon() {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M10 2.8 18.2 17H1.8L10 2.8Z" />
      <path d="M10 8v4.2M10 14.4v.2" />
    </svg>
  )
}

export function RefreshIcon() {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M16 10a6 6 0 1 1-1.8-4.3M16 3v3.2h-3.2" />
    </svg>
  )
}
