type Props = { value: number; tone?: 'bad' | 'warn' | 'calm' }

/** A ratio from 0 to 1 as a bar, always beside the figure that says the same in text. */
export function Bar({ value, tone = 'calm' }: Props) {
  const percent = Math.min(Math.max(value, 0), 1) * 100
  return (
    <span className="bar" aria-hidden="true" data-tone={tone}>
      {/* Set through the object model, which a policy without inline styles allows. */}
      <span style={{ inlineSize: `${percent}%` }} />
    </span>
  )
}
