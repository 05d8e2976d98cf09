/** Longer ones are cut before they are read: nothing a browser says is this long. */
const MAX_CHARS = 512

/**
 * What stays of a `User-Agent` when a browser updates itself: the products and the platform, without
 * any version. Compared as it came, a session of eight hours would end with every update.
 */
export function agentFamily(userAgent: string): string {
  return userAgent
    .slice(0, MAX_CHARS)
    .replace(/\/[^\s;()]+/g, '')
    .replace(/\b\d+(?:[._]\d+)*\b/g, '')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Derived browsers first: each also names the one that it derives from. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/\bChrom(?:e|ium)\/|\bHeadlessChrome\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/.*\bSafari\//, 'Safari'],
]

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bWindows\b/, 'Windows'],
  [/\bAndroid\b/, 'Android'],
  [/\biPad\b/, 'iPad'],
  [/\biPhone\b/, 'iPhone'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

/** For a person who looks for the session of a device: `Firefox on Linux`, or the first product. */
export function agentLabel(userAgent: string): string {
  const named = (among: typeof BROWSERS) => among.find(([sign]) => sign.test(userAgent))?.[1]
  const browser = named(BROWSERS) ?? /^[\w .-]{1,40}/.exec(userAgent)?.[0]?.trim() ?? 'Unknown'
  const system = named(SYSTEMS)
  return system === undefined ? browser : `${browser} on ${system}`
}
