import { type ReactNode, useState } from 'react'

export type Column<T> = {
  id: string
  header: string
  cell: (row: T) => ReactNode
  /** Present: the column can be sorted by it; numbers start at the largest. */
  sort?: (row: T) => number | string
  numeric?: boolean
  /** Hidden where the screen is too narrow for everything. */
  secondary?: boolean
}

type Sort = { id: string; descending: boolean }

type Props<T> = {
  caption: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  rowKey: (row: T) => string
  initialSort: Sort
}

const SHOWN_AT_FIRST = 6
/** A button that reveals one or two rows costs more than they do. */
const SHORT_ENOUGH = 8

/** A sortable table that starts short. The first column heads its row. */
export function Table<T>({ caption, columns, rows, rowKey, initialSort }: Props<T>) {
  const [sort, setSort] = useState(initialSort)
  const [all, setAll] = useState(false)
  const sorted = order(rows, columns.find((column) => column.id === sort.id)?.sort, sort.descending)
  const long = rows.length > SHORT_ENOUGH
  const shown = all || !long ? sorted : sorted.slice(0, SHOWN_AT_FIRST)

  return (
    <div className="table-block">
      <h3>{caption}</h3>
      <div className="table-scroll">
        <table>
          <caption className="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <HeaderCell key={column.id} column={column} sort={sort} onSort={setSort} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={rowKey(row)}>
                {columns.map((column, i) =>
                  i === 0 ? (
                    <th key={column.id} scope="row" className={cellClass(column)}>
                      {column.cell(row)}
                    </th>
                  ) : (
                    <td key={column.id} className={cellClass(column)}>
                      {column.cell(row)}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {long && (
        <button
          type="button"
          className="more"
          aria-expanded={all}
          onClick={() => setAll((shown) => !shown)}
        >
          {all ? 'Show fewer' : `Show all ${rows.length}`}
        </button>
      )}
    </div>
  )
}

type HeaderCellProps<T> = { column: Column<T>; sort: Sort; onSort: (sort: Sort) => void }

function HeaderCell<T>({ column, sort, onSort }: HeaderCellProps<T>) {
  const active = sort.id === column.id
  if (column.sort === undefined) {
    return (
      <th scope="col" className={cellClass(column)}>
        {column.header}
      </th>
    )
  }
  const descending = active ? !sort.descending : column.numeric === true
  return (
    <th
      scope="col"
      className={cellClass(column)}
      aria-sort={active ? (sort.descending ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" onClick={() => onSort({ id: column.id, descending })}>
        {column.header}
        <span className="sort" aria-hidden="true">
          {active && !sort.descending ? '↑' : '↓'}
        </span>
      </button>
    </th>
  )
}

function cellClass<T>({ numeric, secondary }: Column<T>): string {
  return `${numeric ? 'numeric' : ''} ${secondary ? 'secondary' : ''}`.trim()
}

function order<T>(rows: readonly T[], by: Column<T>['sort'], descending: boolean): T[] {
  if (by === undefined) return [...rows]
  const sign = descending ? -1 : 1
  return rows.toSorted((a, b) => {
    const [x, y] = [by(a), by(b)]
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : compareText(x, y))
  })
}

function compareText(a: number | string, b: number | string): number {
  return String(a).localeCompare(String(b))
}
