import { createContext } from 'react'

/**
 * True where an administrator reads about calls that the gateway bridged: it kept those requests, and
 * can explain them.
 */
export const Explainable = createContext(false)
