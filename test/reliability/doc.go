// Package reliability shows what must hold under load, reload and failure:
// one body however the answers arrive, no request lost by a reload, no request
// failed by a dead host, nothing left behind by any mixture of good and bad
// clients and backends. Everything runs over real sockets on the loopback
// interface, bounded in count and time.
package reliability
