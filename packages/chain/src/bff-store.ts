import { z } from 'zod'

/** `redis://[user@]host[:port][/db]`: a password in it would end up in logs and in `bridge check`. */
const redisUrl = z.string().superRefine((text, ctx) => {
  const url = URL.parse(text)
  const scheme = url?.protocol === 'redis:' || url?.protocol === 'rediss:'
  const plain = url?.search === '' && url.hash === '' && /^(\/\d*)?$/.test(url.pathname)
  if (url === null || !scheme || url.hostname === '' || !plain) {
    ctx.addIssue({
      code: 'custom',
      message: 'redis://[user@]host[:port][/database], or rediss:// for TLS',
    })
  } else if (url.password !== '') {
    ctx.addIssue({
      code: 'custom',
      message: 'no password',
      params: {
        code: 'password_in_url',
        found: 'a URL with a password',
        expected: 'a URL without one',
        mend: 'put the password into a file and name it: "password: file:PATH"',
      },
    })
  }
})

const redisSchema = z
  .strictObject({
    /** `redis://[user@]host[:port][/database]`; `rediss://` for TLS. The first seed where there are several. */
    url: redisUrl,
    /** More seeds of the cluster, or more sentinels, as URLs; user and database are those of `url`. */
    seeds: z.array(redisUrl).max(64).default([]),
    /** The seeds are nodes of a Redis Cluster. */
    cluster: z.boolean().default(false),
    /** The seeds are sentinels, and this is the name of their master. */
    sentinel_master: z.string().min(1).optional(),
    /** The ACL user's password, or `file:PATH`. */
    password: z.string().min(1).optional(),
    /** The sentinels' own password, or `file:PATH`. */
    sentinel_password: z.string().min(1).optional(),
    /** Certificates (PEM) of the authorities that may vouch for the servers; default: Node's. */
    ca_file: z.string().min(1).optional(),
  })
  .superRefine((redis, ctx) => {
    const fault = (path: string, message: string) =>
      ctx.addIssue({ code: 'custom', path: [path], message })
    const sentinels = redis.sentinel_master !== undefined
    if (redis.cluster && sentinels) fault('cluster', 'not together with sentinel_master')
    if (redis.seeds.length > 0 && !redis.cluster && !sentinels)
      fault('seeds', 'seeds only of a cluster or of sentinels')
    if (redis.sentinel_password !== undefined && !sentinels)
      fault('sentinel_password', 'only together with sentinel_master')
    if (redis.cluster && /\/[1-9]\d*$/.test(redis.url))
      fault('url', 'database 0: a cluster has no other')
    if (redis.ca_file !== undefined && !redis.url.startsWith('rediss:'))
      fault('ca_file', 'only with a rediss:// URL')
  })

/** `store` in the BFF's settings.yaml. */
export const bffStoreSchema = z
  .strictObject({
    /** One node: the SQLite file of the sessions. Exactly one of `path` and `redis` is given. */
    path: z.string().min(1).optional(),
    /** Many nodes: the Redis or Valkey that they share. */
    redis: redisSchema.optional(),
    /** Where this node keeps what it shares with none (traces, events not yet acknowledged); default: the directory of `path`, required with `redis`. */
    directory: z.string().min(1).optional(),
    /** Key of the store, ≥ 32 characters, or `file:PATH`; the same on all nodes. */
    key: z.string().min(1),
    /** Keys, or `file:PATH`, that were `key` before: what they sealed still opens. Also one that is to become `key`, until every node knows it. */
    further_keys: z.array(z.string().min(1)).max(4).default([]),
  })
  .superRefine((store, ctx) => {
    const fault = (path: string, found: string, expected: string, mend: string) =>
      ctx.addIssue({
        code: 'custom',
        path: [path],
        message: expected,
        params: { code: 'invalid_value', found, expected, mend },
      })
    if (store.path !== undefined && store.redis !== undefined) {
      fault('path', 'path and redis', 'one of them', 'remove "path" to keep sessions in Redis')
    } else if (store.path === undefined && store.redis === undefined) {
      fault('path', 'neither path nor redis', 'one of them', 'add "path: FILE", or "redis: {url}"')
    }
    if (store.redis !== undefined && store.directory === undefined) {
      fault(
        'directory',
        'redis without a directory',
        'a directory of this node',
        'add "directory: DIR"',
      )
    }
  })

export type BffStoreSettings = z.output<typeof bffStoreSchema>
