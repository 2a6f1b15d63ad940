// A table of data: sortable heads, rows that may be links, states included.
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";
import { Empty, Failed, Loading } from "./states";

export interface Column<T> {
  name: string;
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand at the right. */
  numeric?: boolean;
  /** Left out on narrow screens. */
  minor?: boolean;
  sortable?: boolean;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[] | null;
  keyOf: (row: T) => string | number;
  /** `name` or `-name`. */
  sort?: string;
  onSort?: (sort: string) => void;
  reason?: string | null;
  onRetry?: () => void;
  empty?: ComponentChildren;
  onMore?: (() => void) | null;
  chosen?: string | number | null;
}

export function DataTable<T>({ label, columns, rows, keyOf, sort, onSort, reason, onRetry, empty, onMore, chosen }: Props<T>) {
  if (reason && !rows) return <Failed reason={reason} onRetry={onRetry} />;
  if (!rows) return <Loading />;
  if (rows.length === 0) return <Empty title={`No ${label}.`}>{empty}</Empty>;
  const way = (column: Column<T>): "ascending" | "descending" | "none" =>
    sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : "none";
  const classOf = (column: Column<T>): string => [column.numeric && "numeric", column.minor && "minor"].filter(Boolean).join(" ");
  return (
    <div class="table-box" tabIndex={0}>
      <table class="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={classOf(column)} aria-sort={column.sortable ? way(column) : undefined}>
                {column.sortable && onSort ? (
                  <button type="button" class="sort" onClick={() => onSort(sort === column.name ? `-${column.name}` : column.name)}>
                    {column.head}
                    <span class={`sort-mark ${way(column)}`}>
                      <Icon name="down" size={10} />
                    </span>
                  </button>
                ) : (
                  column.head
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} class={chosen === keyOf(row) ? "chosen" : undefined}>
              {columns.map((column) => (
                <td key={column.name} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {reason ? <Failed reason={reason} onRetry={onRetry} /> : null}
      {onMore ? (
        <button type="button" class="button more-button" onClick={onMore}>
          Show more
        </button>
      ) : null}
    </div>
  );
}
