package plan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

const inside = "dial tcp 10.0.0.7:9999: *net.OpError"

// TestRender shows both faces of a failure. Nothing of its cause is in either.
func TestRender(t *testing.T) {
	tests := []struct {
		name      string
		err       error
		status    int
		plain     string // body
		plainType string
		problem   string
	}{
		{"a fault of ours", errors.New(inside), 500, "", "",
			`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","detail":"The gateway failed. The fault is not in the request."}`},
		{"a failure with a cause", &gateway.Error{Status: 502, Code: "backend_unreachable", Err: errors.New(inside)}, 502, "", "",
			`{"type":"about:blank","title":"Bad Gateway","status":502,"code":"backend_unreachable","detail":"A service behind the gateway cannot be reached."}`},
		{"a text that is not to be shown", &gateway.Error{Status: 504, Code: "timeout", Public: "too late"}, 504, "", "",
			`{"type":"about:blank","title":"Gateway Timeout","status":504,"code":"timeout","detail":"The time for this was over before it was done."}`},
		{"a text that is to be shown", &gateway.Error{Status: 404, Code: "not_found", Public: "404 page not found", Show: true}, 404, "404 page not found", "text/plain; charset=utf-8",
			`{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"Nothing is served at this path."}`},
		{"texts are asked for", &gateway.Error{Status: 504, Code: "timeout", Public: "too late", Show: true, Tell: true}, 504, "too late", "text/plain; charset=utf-8",
			`{"type":"about:blank","title":"Gateway Timeout","status":504,"code":"timeout","detail":"The time for this was over before it was done.","message":"too late"}`},
		{"wrapped by a step", &Failure{"shape", config.Pos{File: "/etc/secret.json", Line: 3, Col: 4}, "10.0.0.7:80", &gateway.Error{Status: 502, Code: "no_host", Err: errors.New(inside)}}, 502, "", "",
			`{"type":"about:blank","title":"Bad Gateway","status":502,"code":"no_host","detail":"No service behind the gateway is there for this."}`},
		{"a status without a name", &gateway.Error{Status: 599, Code: "internal"}, 599, "", "",
			`{"type":"about:blank","title":"Error","status":599,"code":"internal","detail":"The gateway failed. The fault is not in the request."}`},
		{"a text that must be escaped", &gateway.Error{Status: 400, Code: "bad_request", Public: "a \"b\"\n\x01", Show: true, Tell: true}, 400, "a \"b\"\n\x01", "text/plain; charset=utf-8",
			`{"type":"about:blank","title":"Bad Request","status":400,"code":"bad_request","detail":"The request cannot be served as it is: something in its address, its header or its body is not right.","message":"a \"b\"\n\u0001"}`},
	}
	for _, tt := range tests {
		for _, problem := range []bool{false, true} {
			x := gateway.Acquire(nil)
			x.Response.Status, x.Response.Complete = 200, true
			x.Response.Body = body.FromBytes([]byte("what was there before"))
			render(x, tt.err, problem)
			r := &x.Response
			raw, err := r.Body.Bytes(0)
			want, wantType := tt.plain, tt.plainType
			if problem {
				want, wantType = tt.problem, "application/problem+json"
				if !json.Valid(raw) {
					t.Errorf("%s: %s is no JSON", tt.name, raw)
				}
			}
			if err != nil || string(raw) != want && !(problem && sameValue(raw, want)) || r.Header.Get("Content-Type") != wantType || r.Status != tt.status || r.Complete {
				t.Errorf("%s, problem %t: %d %q %s, want %d %q %s", tt.name, problem, r.Status, r.Header.Get("Content-Type"), raw, tt.status, wantType, want)
			}
			if strings.Contains(string(raw), "10.0.0.7") || strings.Contains(string(raw), "secret") {
				t.Errorf("%s: the client reads %s", tt.name, raw)
			}
			x.Release()
		}
	}
}

func sameValue(a []byte, b string) bool {
	var va, vb map[string]any
	if json.Unmarshal(a, &va) != nil || json.Unmarshal([]byte(b), &vb) != nil || len(va) != len(vb) {
		return false
	}
	for k := range va {
		if va[k] != vb[k] {
			return false
		}
	}
	return true
}

// TestRenderKeepsTheType shows that the words of a backend keep their type.
func TestRenderKeepsTheType(t *testing.T) {
	x := gateway.Acquire(nil)
	defer x.Release()
	x.Response.Header.Set("Content-Type", "application/xml")
	render(x, &gateway.Error{Status: 404, Code: "x", Public: "<gone/>", Show: true}, false)
	if got := x.Response.Header.Get("Content-Type"); got != "application/xml" {
		t.Errorf("the type is %q", got)
	}
	render(x, &gateway.Error{Status: 404, Code: "x", Public: "<gone/>"}, false)
	if got := x.Response.Header.Get("Content-Type"); got != "" {
		t.Errorf("an empty body has the type %q", got)
	}
}

// TestStatusOf lists the status of every failure by its cause.
func TestStatusOf(t *testing.T) {
	gateway.DeclareFailures(gateway.Failure{Code: "test_declared", Status: 503, Detail: "It is a test."}) // as components do
	for code, want := range map[string]int{
		gateway.CodeBackendStatus: 502, gateway.CodeBackendUnreachable: 502, gateway.CodeBackendAborted: 502,
		gateway.CodeBackendInvalid: 502, gateway.CodeBackendTooLarge: 502, gateway.CodeRedirects: 502,
		gateway.CodeNoHost: 503, "test_declared": 503,
		gateway.CodeTimeout: 504, gateway.CodeClientGone: 499,
		gateway.CodeInternal: 500, gateway.CodeMissingValue: 500, "anything": 500,
	} {
		for byCause, want := range map[bool]int{true: want, false: 500} {
			e := encode{byCause: byCause}
			if got := gateway.AsError(e.public(&gateway.Error{Code: code})).Status; got != want {
				t.Errorf("%s, by cause %t: %d, want %d", code, byCause, got, want)
			}
			if got := gateway.AsError(e.public(&gateway.Error{Status: 418, Code: code})).Status; got != 418 {
				t.Errorf("%s with a status of its own: %d, want 418", code, got)
			}
		}
	}
}
