export type TooltipRow = { name: string; value: string; colour: string }

/**
 * Built as elements with classes: markup with style attributes, the library's own way, is what the
 * page's content security policy forbids, and text set as text cannot inject anything.
 */
export function tooltip(title: string, rows: readonly TooltipRow[]): HTMLElement {
  const root = element('div', 'tip')
  root.append(element('div', 'tip-title', title))
  for (const row of rows) {
    const line = element('div', 'tip-row')
    const swatch = element('span', 'swatch')
    swatch.style.backgroundColor = row.colour
    line.append(swatch, element('span', 'tip-name', row.name), element('b', '', row.value))
    root.append(line)
  }
  return root
}

function element(tag: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}
