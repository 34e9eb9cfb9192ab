package gateway_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// describe is everything that can be asked of a message.
func describe(t *testing.T, in gateway.Inbound) string {
	t.Helper()
	var payload []byte
	if in.Body() != nil {
		var err error
		if payload, err = io.ReadAll(in.Body()); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%s %s?%s %s %q %v %s %d", in.Method(), in.Path(), in.RawQuery(), in.Host(), in.Header("X-User"), in.AppendHeaders(nil), payload, in.Length())
}

// TestEdit shows what changes of the client's message, for whom.
func TestEdit(t *testing.T) {
	message := testx.Request{Method: "POST", Path: "/a", Query: "q=1", Host: "a.test", Body: "x",
		Header: gateway.Fields{{Name: "X-User", Value: "eve"}, {Name: "Accept", Value: "*/*"}, {Name: "X_User", Value: "mallory"}}}
	const sent = `POST /a?q=1 a.test "eve" [{X-User eve} {Accept */*} {X_user mallory}] x 1`
	tests := []struct {
		name string
		edit func(*gateway.Edited)
		ours bool // X-User was set
		want string
	}{
		{"nothing", func(*gateway.Edited) {}, false, sent},
		{"target", func(e *gateway.Edited) {
			e.SetMethod("PUT")
			e.SetPath("/b%20c")
			e.SetRawQuery("r")
			e.SetHost("b.test:81")
		}, false, `PUT /b%20c?r b.test:81 "eve" [{X-User eve} {Accept */*} {X_user mallory}] x 1`},
		{"a field", func(e *gateway.Edited) { e.SetHeader("X-User", "ann") }, true, `POST /a?q=1 a.test "ann" [{Accept */*} {X-User ann}] x 1`},
		{"a field of several lines", func(e *gateway.Edited) { e.SetHeader("X-User", "a", "b") }, true, `POST /a?q=1 a.test "a" [{Accept */*} {X-User a} {X-User b}] x 1`},
		{"a field less", func(e *gateway.Edited) { e.DelHeader("X-User") }, false, `POST /a?q=1 a.test "" [{Accept */*}] x 1`},
		{"body", func(e *gateway.Edited) { e.SetBody(strings.NewReader("yz"), 2) }, false, `POST /a?q=1 a.test "eve" [{X-User eve} {Accept */*} {X_user mallory}] yz 2`},
		{"no body", func(e *gateway.Edited) { e.SetBody(nil, 0) }, false, `POST /a?q=1 a.test "eve" [{X-User eve} {Accept */*} {X_user mallory}]  0`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := message.Exchange(t)
			tt.edit(x.Edit())
			child := x.Child()
			if got := describe(t, child.In); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := x.Sent().Path() + x.Sent().Header("X-User"); got != "/aeve" {
				t.Errorf("the engine has %s, want what the client sent", got)
			}
			if got := x.Edit().Wrote("X-User"); got != tt.ours {
				t.Errorf("a stage has written X-User: %v, want %v", got, tt.ours)
			}
		})
	}
}
