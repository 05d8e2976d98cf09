/** The bundler turns a stylesheet into a file of the build that loads with its module. */
declare module '*.css'
