'use strict'
// A client or a desk on jspurefix: `node peer.js SETTINGS.json`, then one JSON command per line on standard input.
//
// Every message is written to `log` as it was on the wire, SOH as `|`, behind `<` or `>`. Standard output says how far it is.
// The dictionary is QuickFIX's XML file; sequence numbers and what was sent live in jspurefix's own file store.
// Settings: role, life, beginString, sender, target, port, dictionary, flat (whether it is one without components), logon (more
// fields for it), store, log.

const fs = require('fs')
const readline = require('readline')
require('reflect-metadata')
const { AsciiSession, EmptyLogFactory, MsgType, SessionLauncher } = require('jspurefix')

const settings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const isClient = settings.role === 'client'
let live = null

// jspurefix has components as objects within objects.
function shaped (fields) {
  const { Symbol, OrderQty, ...rest } = fields
  return settings.flat ? fields : { ...rest, Instrument: { Symbol }, OrderQtyData: { OrderQty } }
}

function say (text) { fs.writeSync(1, `${text}\n`) }

class Peer extends AsciiSession {
  constructor (config) {
    super(config)
    // Otherwise jspurefix looks at dictionary and checksum as acceptor only.
    this.checkMsgIntegrity = true
    this.executions = 0
  }

  onDecoded (_, text) { fs.appendFileSync(settings.log, `< ${text}\n`) }

  onEncoded (_, text) { fs.appendFileSync(settings.log, `> ${text}\n`) }

  onLogon () { return true }

  onReady () {
    live = this
    say('ready')
  }

  onStopped (error) {
    if (live === this) live = null
    say(`stopped ${error ? error.message : ''}`)
    if (isClient) process.exitCode = 0
  }

  onApplicationMsg (type, view) {
    if (!isClient && type === MsgType.NewOrderSingle) this.execute(view.toObject())
  }

  // As desk: an order is taken, and those of 200 are filled at once.
  execute (order) {
    this.report(order, '0', 0)
    if (order.OrderQtyData.OrderQty === 200) this.report(order, 'F', 200)
  }

  report (order, kind, quantity) {
    const all = order.OrderQtyData.OrderQty
    this.executions += 1
    const report = shaped({
      OrderID: `O-${order.ClOrdID}`,
      ClOrdID: order.ClOrdID,
      ExecID: `${settings.life}-${this.executions}`,
      ExecType: kind,
      OrdStatus: quantity === all ? '2' : '0',
      Symbol: order.Instrument.Symbol,
      Side: order.Side,
      OrderQty: all,
      Price: order.Price,
      LeavesQty: all - quantity,
      CumQty: quantity,
      AvgPx: quantity ? order.Price : 0
    })
    if (quantity) Object.assign(report, { LastQty: quantity, LastPx: order.Price })
    this.send(MsgType.ExecutionReport, report)
  }

  order (c) {
    this.send(MsgType.NewOrderSingle, shaped({
      ClOrdID: c.id,
      Account: c.account,
      HandlInst: '1',
      Symbol: 'SYM1',
      Side: c.side,
      TransactTime: new Date(),
      OrderQty: c.quantity,
      OrdType: '2',
      Price: c.price,
      TimeInForce: '0'
    }))
  }

  // The next message that comes has a number that is too high.
  forget (c) {
    this.sessionState.lastPeerMsgSeqNum -= c.count
    this.coordinator.initializeFromConfig(undefined, this.sessionState.lastPeerMsgSeqNum + 1)
  }

  // The next message that goes has one.
  skip (c) { this.transport.transmitter.msgSeqNum += c.count }

  logout () { this.done() }
}

class Launcher extends SessionLauncher {
  makeFactory () { return { makeSession: (config) => new Peer(config) } }
}

const description = {
  application: {
    type: isClient ? 'initiator' : 'acceptor',
    name: settings.role,
    reconnectSeconds: 1,
    resilient: isClient,
    tcp: { host: '127.0.0.1', port: settings.port },
    protocol: 'ascii',
    dictionary: settings.dictionary
  },
  EncryptMethod: 0,
  ResetSeqNumFlag: false,
  HeartBtInt: 10,
  SenderCompId: settings.sender,
  TargetCompID: settings.target,
  BeginString: settings.beginString,
  Logon: settings.logon || {},
  store: { type: 'file', directory: settings.store }
}

const launcher = new Launcher(isClient ? description : null, isClient ? null : description, new EmptyLogFactory())
launcher.run().catch((e) => say(`failed ${e.message}`))

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line)
  if (command.do === 'end') {
    launcher.stop()
    setTimeout(() => process.exit(0), 200)
  } else if (live === null) {
    say(`no session for ${line}`)
  } else {
    live[command.do](command)
  }
})
