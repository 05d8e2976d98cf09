import { after } from 'node:test'
import { startRedis } from '@audience-bridge/testkit/redis.ts'
import { openRedis } from './redis-store.ts'
import { storeContract } from './store-contract.ts'

const redis = await startRedis({ after })
storeContract('Redis', 'by itself', () => () => openRedis(redis))
