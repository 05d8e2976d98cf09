import { Component, type ReactNode } from 'react'
import { ApiProblem } from '../api/problem.ts'
import { ProblemNotice } from './problem-notice.tsx'

type Props = { children: ReactNode; resetKey: unknown }
type State = { error: unknown; failed: boolean; resetKey: unknown }

/**
 * Keeps what cannot be drawn from taking the page with it, for example an answer that departs from
 * its contract. The next answer, told by `resetKey`, gets a new chance.
 */
export class Boundary extends Component<Props, State> {
  override state: State = { error: undefined, failed: false, resetKey: this.props.resetKey }

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error, failed: true }
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    if (props.resetKey === state.resetKey) return null
    return { error: undefined, failed: false, resetKey: props.resetKey }
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return <ProblemNotice problem={undrawable(this.state.error)} />
  }
}

function undrawable(cause: unknown): ApiProblem {
  const reason = cause instanceof Error ? ` (${cause.message})` : ''
  return new ApiProblem(
    {
      code: 'ANSWER_INVALID',
      title: 'This answer cannot be shown',
      detail: `It is not in the shape that this page knows${reason}. A service may be of another version than the console.`,
    },
    cause,
  )
}
