package logging

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// accessPatterns are the formats of the access log that have a name.
var accessPatterns = map[AccessFormat]string{
	"default":       defaultAccess,
	"":              defaultAccess,
	"httpdCommon":   httpdCommon,
	"httpdCombined": httpdCombined,
	"httpdCombine":  httpdCombined,
	"json": `{"time":"%{time:2006-01-02T15:04:05.000Z07:00}","status":%{statusCode:d},"latency_ms":%{latencyMs},` +
		`"client_ip":"%{clientIP}","method":"%{method}","scheme":"%{scheme}","host":"%{host}","path":"%{path}",` +
		`"proto":"%{proto}","bytes":%{bytes},"user_agent":"%{header.User-Agent}","request_id":"%{requestID}","error":"%{error}"}`,
}

const (
	defaultAccess = `%{prefix} %{time} [AccessLog] |%{statusCode}| %{latencyMs} | %{clientIP} | %{method} %{path} | %{requestID}`
	httpdCommon   = `%{clientIP} - - [%{time:02/Jan/2006:15:04:05 -0700}] "%{method} %{path} %{proto}" %{statusCode} %{bytes}`
	httpdCombined = httpdCommon + ` "%{header.Referer}" "%{header.User-Agent}"`
)

// An accessLog writes a line for each request.
type accessLog struct {
	template *template
	explains bool // an answer that failed, or lacks something, tells why behind the line
	out      io.Writer
	skip     []string            // paths
	mask     func(string) string // hides secrets of the configuration; nil if there are none
}

// Observe writes the line of an exchange.
func (a *accessLog) Observe(x *gateway.Exchange, o telemetry.Outcome) {
	if slices.Contains(a.skip, pathOf(x)) {
		return
	}
	failure := cmp.Or(o.Err, x.Response.Missing)
	l := newLine(x)
	l.mask = a.mask
	l.began, l.took, l.status, l.written, l.err, l.broken = o.Started, o.Took, o.Status, o.Written, failure, o.Broken
	a.template.write(l)
	if a.explains && failure != nil {
		l.buf = append(l.buf, " | "...)
		a.template.writeText(l, strings.ReplaceAll(l.failure(), "\n", "; "))
	}
	l.writeTo(a.out)
	l.release()
}

// A callLog writes a line for each call to a backend.
type callLog struct {
	template *template
	out      io.Writer    // when log is nil
	log      *slog.Logger // may be nil
	level    slog.Level
	clock    component.Clock
	mask     func(string) string // hides secrets of the configuration; nil if there are none
	open     gateway.Slot[*line]
}

// Enter notes when the call begins.
func (c *callLog) Enter(ctx context.Context, x *gateway.Exchange) error {
	if c.log != nil && !c.log.Enabled(ctx, c.level) {
		return nil
	}
	l := newLine(x)
	l.backend, l.began, l.mask = true, c.clock(), c.mask
	c.open.Set(x, l)
	return nil
}

// Leave writes the line of the call.
func (c *callLog) Leave(ctx context.Context, x *gateway.Exchange, err error) error {
	l, open := c.open.Get(x)
	if !open {
		return err
	}
	l.took, l.status, l.err = c.clock().Sub(l.began), x.Response.Status, err
	if failed, ok := errors.AsType[*gateway.Error](err); ok && l.status == 0 {
		l.status = failed.Status
	}
	c.template.write(l)
	if c.log != nil {
		c.log.Log(ctx, c.level, string(l.buf))
	} else {
		l.writeTo(c.out)
	}
	l.release()
	return err
}
