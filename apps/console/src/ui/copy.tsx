import { useEffect, useState } from 'react'

/** Puts `value` on the clipboard; `what` names it for those who cannot see what stands beside. */
export function Copy({
  value,
  what,
  label = 'Copy',
}: {
  value: string
  what: string
  label?: string
}) {
  const [copied, setCopied] = useState(false)

  useEffect(() => {
    if (!copied) return
    const timer = window.setTimeout(() => setCopied(false), 2_000)
    return () => window.clearTimeout(timer)
  }, [copied])

  // Browsers offer the clipboard to secure origins only; elsewhere the text can still be selected.
  if (navigator.clipboard === undefined) return null
  return (
    <button
      type="button"
      className="copy"
      aria-label={`Copy ${what}`}
      onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}
    >
      <span aria-live="polite">{copied ? 'Copied' : label}</span>
    </button>
  )
}
