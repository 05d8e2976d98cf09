import type { WriteStream } from 'node:tty'

export type Show = (text: string, more?: { fleeting: boolean }) => void

/** Prints lines; a fleeting one is overwritten by the next where a person watches. */
export function showProgress(out: NodeJS.WriteStream | WriteStream): Show {
  let fleeting = false
  return (text, more) => {
    const clear = fleeting && out.isTTY ? '\r\x1b[2K' : ''
    fleeting = more?.fleeting === true
    out.write(clear + text + (fleeting && out.isTTY ? '' : '\n'))
  }
}
