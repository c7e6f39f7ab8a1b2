// The server inside every JavaScript function container. It keeps the contract of the Python runtime:
// port 8080, /_/health, /_/ready, limits, one JSON log line for each request, draining after SIGTERM.
//
//   module.exports = async (event, context) => context.status(200).succeed({found: true})
//   module.exports = async (event) => ({found: true})
//   module.exports = (event, context, callback) => callback(null, {found: true})
//
// What is returned goes back: text and buffers as they are, anything else as JSON.
'use strict'

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const READY_FILE = '/tmp/.lock'
const TEXT = 'text/plain; charset=utf-8'
const UNITS_S = { h: 3600, m: 60, s: 1, ms: 0.001 }

class SettingError extends Error {}
class TooLarge extends Error {}

function readSettings (env) {
  return {
    port: count(env, 'port', 8080),
    maxInflight: count(env, 'max_inflight', 0),
    maxBody: count(env, 'max_body', 100000000),
    execTimeoutS: seconds(env, 'exec_timeout', 0),
    writeTimeoutS: seconds(env, 'write_timeout', 30),
    lingerS: seconds(env, 'linger', 3),
    version: env.PISWARM_VERSION || '',
    suppressLock: env.suppress_lock === 'true'
  }
}

function count (env, name, otherwise) {
  const text = env[name] || String(otherwise)
  if (!/^\d+$/.test(text)) throw new SettingError(`The variable ${name} is '${text}', which is not a whole number.`)
  return Number(text)
}

function seconds (env, name, otherwise) {
  const text = env[name] || String(otherwise)
  if (/^\d+$/.test(text)) return Number(text)
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) {
    throw new SettingError(`The variable ${name} is '${text}', which is not a time such as 10, 10s or 1m30s.`)
  }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)].reduce((sum, part) => sum + part[1] * UNITS_S[part[2]], 0)
}

// What `context` offers: a chain that ends in `succeed` or `fail`.
class Context {
  constructor () {
    this.statusCode = 200
    this.headerValues = {}
    this.ended = new Promise((resolve, reject) => { this.resolve = resolve; this.reject = reject })
    this.ended.catch(() => {})
  }

  status (code) {
    if (code === undefined) return this.statusCode
    this.statusCode = code
    return this
  }

  headers (values) {
    if (values === undefined) return this.headerValues
    this.headerValues = { ...this.headerValues, ...values }
    return this
  }

  succeed (value) {
    this.resolve(value)
    return this.ended
  }

  fail (error) {
    this.reject(error instanceof Error ? error : new Error(String(error)))
    return this.ended
  }
}

async function call (handle, event) {
  const context = new Context()
  const callback = (error, value) => error ? context.fail(error).catch(() => {}) : context.succeed(value)
  const returned = handle(event, context, callback)
  const waitsForCallback = returned === undefined && handle.length > 1
  const value = await (waitsForCallback ? context.ended : returned === context ? context.ended : returned)
  return encode(value, context.statusCode, context.headerValues)
}

function encode (value, status, headers) {
  if (value === undefined || value === null) return { status, headers, type: TEXT, body: Buffer.alloc(0) }
  if (Buffer.isBuffer(value)) return { status, headers, type: 'application/octet-stream', body: value }
  if (typeof value === 'string') return { status, headers, type: TEXT, body: Buffer.from(value) }
  return { status, headers, type: 'application/json', body: Buffer.from(JSON.stringify(value)) }
}

function sentence (status, text) {
  return { status, headers: {}, type: TEXT, body: Buffer.from(`${text}\n`) }
}

function failed (error) {
  console.error(error)
  const where = /handler\.js:(\d+)/.exec(error?.stack || '')
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return sentence(500, `The function failed: ${what.split(/\s+/).join(' ')}${where ? ` (handler.js, line ${where[1]})` : ''}.`)
}

async function readBody (request, limit) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > limit) throw new TooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function toEvent (request, body) {
  const url = new URL(request.url, 'http://function')
  const isText = !/octet-stream|image\/|audio\/|video\//.test(request.headers['content-type'] || '')
  let content = isText ? body.toString() : body
  if (/\bjson\b/.test(request.headers['content-type'] || '')) {
    try { content = JSON.parse(content) } catch { /* a body that only claims to be JSON stays text */ }
  }
  return {
    body: content,
    headers: request.headers,
    method: request.method,
    query: Object.fromEntries(url.searchParams),
    path: url.pathname
  }
}

class App {
  constructor (handle, settings) {
    this.handle = handle
    this.settings = settings
    this.inflight = 0
    this.isDraining = false
  }

  async serve (request, response) {
    const began = process.hrtime.bigint()
    const route = request.url.split('?', 1)[0]
    if (route === '/_/health') return this.send(response, this.health(), began)
    if (route === '/_/ready') return this.send(response, this.isFull() ? sentence(429, 'Busy.') : this.health(), began)
    let received = 0
    let answer
    try {
      if (this.isFull()) {
        answer = sentence(429, `${this.inflight} requests are being answered already; try again.`)
      } else {
        const body = await readBody(request, this.settings.maxBody)
        received = body.length
        answer = await this.answer(toEvent(request, body))
      }
    } catch (error) {
      if (!(error instanceof TooLarge)) return response.destroy()
      answer = sentence(413, `The body is larger than ${this.settings.maxBody} bytes.`)
      this.closeAfter(response)
    }
    this.log(request, route, answer, received, began)
    this.send(response, answer, began)
  }

  isFull () {
    return this.settings.maxInflight > 0 && this.inflight >= this.settings.maxInflight
  }

  health () {
    const answer = this.isDraining ? sentence(503, 'Stopping.') : sentence(200, 'OK')
    if (this.settings.version) answer.headers['x-piswarm-version'] = this.settings.version
    return answer
  }

  async answer (event) {
    this.inflight++
    const called = call(this.handle, event).catch(failed).finally(() => { this.inflight-- })
    const limitS = this.settings.execTimeoutS
    if (!limitS) return called
    let timer
    const late = new Promise(resolve => {
      timer = setTimeout(() => resolve(sentence(504, `The function took longer than ${limitS} s.`)), limitS * 1000)
    })
    return Promise.race([called, late]).finally(() => clearTimeout(timer))
  }

  closeAfter (response) {
    response.shouldKeepAlive = false
  }

  send (response, answer, began) {
    if (this.isDraining) this.closeAfter(response)
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'x-duration-seconds': (Number(process.hrtime.bigint() - began) / 1e9).toFixed(6),
      ...answer.headers,
      'content-length': answer.body.length
    })
    response.end(answer.body)
  }

  log (request, route, answer, received, began) {
    const callId = request.headers['x-call-id']
    process.stderr.write(JSON.stringify({
      time: new Date().toISOString(),
      method: request.method,
      path: route,
      status: answer.status,
      duration_s: Number(process.hrtime.bigint() - began) / 1e9,
      bytes_in: received,
      bytes_out: answer.body.length,
      ...(callId ? { call_id: callId } : {})
    }) + '\n')
  }
}

function load (folder) {
  const file = path.join(path.resolve(folder), 'handler.js')
  if (!fs.existsSync(file)) throw new SettingError(`There is no handler.js in ${folder}.`)
  const handle = require(file)
  if (typeof handle !== 'function') {
    throw new SettingError("handler.js exports no function; it needs 'module.exports = async (event, context) => ...'.")
  }
  return handle
}

function main (folder) {
  let settings, app
  try {
    settings = readSettings(process.env)
    app = new App(load(folder), settings)
  } catch (error) {
    console.error(error instanceof SettingError ? error.message : error)
    if (!(error instanceof SettingError)) console.error(`handler.js cannot be loaded: ${error.name}: ${error.message}.`)
    process.exit(1)
  }
  const server = http.createServer((request, response) => app.serve(request, response))
  server.keepAliveTimeout = 75000
  server.requestTimeout = 0
  server.on('error', error => {
    console.error(error.message)
    process.exit(1)
  })
  server.listen(settings.port, () => settings.suppressLock || fs.writeFileSync(READY_FILE, ''))
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => drain(server, app, settings))
}

// Callers learn only by and by that this replica is leaving; nobody must be refused meanwhile.
function drain (server, app, settings) {
  if (app.isDraining) return
  app.isDraining = true
  if (!settings.suppressLock) fs.rmSync(READY_FILE, { force: true })
  setTimeout(() => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
    setTimeout(() => process.exit(0), settings.writeTimeoutS * 1000)
  }, settings.lingerS * 1000)
}

main(process.argv[2] || 'function')
