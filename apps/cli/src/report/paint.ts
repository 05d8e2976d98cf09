import { styleText } from 'node:util'

/** Colours, where a person looks on and has not asked for none (NO_COLOR). */
export interface Paint {
  bold(text: string): string
  faint(text: string): string
  red(text: string): string
  green(text: string): string
}

export function paintFor(stream: NodeJS.WriteStream): Paint {
  const style =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      styleText(format, text, { stream })
  return {
    bold: style('bold'),
    faint: style('dim'),
    red: style('red'),
    green: style('green'),
  }
}
