import { after } from 'node:test'
import { startRedisCluster } from '@audience-bridge/testkit/redis.ts'
import { openRedis } from './redis-store.ts'
import { storeContract } from './store-contract.ts'

const cluster = await startRedisCluster({ after })
storeContract('Redis Cluster', 'by itself', () => () => openRedis(cluster, { cluster: true }))
