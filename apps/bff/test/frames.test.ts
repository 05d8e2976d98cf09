import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { closeFrame, FrameReader } from '@audience-bridge/bff/proxy/frames.ts'
import { frameOf, readFrame } from '@audience-bridge/testkit/websocket.ts'

const MASK = randomBytes(4)

test('the ends of frames are found, however the bytes are cut', () => {
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536]
  for (const mask of [undefined, MASK]) {
    const frames = lengths.map((length) => frameOf(2, randomBytes(length), mask))
    const whole = Buffer.concat(frames)
    const ends = new Set<number>([0])
    let end = 0
    for (const frame of frames) {
      end += frame.length
      ends.add(end)
    }
    for (const size of [1, 2, 3, 7, 1000, 65_537, whole.length]) {
      const reader = new FrameReader()
      for (let at = 0; at < whole.length; at += size) {
        assert.equal(reader.free, ends.has(at), `at ${at} by ${size}`)
        reader.read(whole.subarray(at, at + size))
      }
      assert.equal(reader.free, true)
    }
  }
})

test('data is told from pings, pongs and a close, after which nothing of ours may follow', () => {
  for (const [opcode, data] of [
    [0, true],
    [1, true],
    [2, true],
    [9, false],
    [10, false],
  ] as const) {
    const reader = new FrameReader()
    assert.equal(reader.read(frameOf(opcode, Buffer.from('x'), MASK)), data, `opcode ${opcode}`)
    assert.equal(reader.free, true)
  }
  const reader = new FrameReader()
  assert.equal(reader.read(frameOf(8, Buffer.from([3, 232]))), false)
  assert.equal(reader.free, false)
  // The bits of extensions, such as compression, and the last-fragment bit are not the opcode's.
  const compressed = frameOf(1, Buffer.from('x'))
  compressed[0] = 0x41
  assert.equal(new FrameReader().read(compressed), true)
})

test('a payload that looks like frames is not read as such', () => {
  const reader = new FrameReader()
  const inner = Buffer.concat([frameOf(8, Buffer.from([3, 232])), frameOf(1, Buffer.from('x'))])
  reader.read(frameOf(2, inner))
  assert.equal(reader.free, true)
})

test('a close frame has its code and a reason that fits', () => {
  const frame = readFrame(closeFrame(1008, 'session ended: logout'))
  assert.equal(frame?.opcode, 8)
  assert.equal(frame.payload.readUInt16BE(0), 1008)
  assert.equal(frame.payload.subarray(2).toString(), 'session ended: logout')
  assert.equal(readFrame(closeFrame(1001, 'x'.repeat(500)))?.payload.length, 125)
})
