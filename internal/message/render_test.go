package message

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
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
		{"wrapped by a step", &plan.Failure{Step: "shape", At: config.Pos{File: "/etc/secret.json", Line: 3, Col: 4}, Host: "10.0.0.7:80", Err: &gateway.Error{Status: 502, Code: "no_host", Err: errors.New(inside)}}, 502, "", "",
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
			(&Rendering{Problem: problem}).Fail(x, tt.err)
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
	new(Rendering).Fail(x, &gateway.Error{Status: 404, Code: "x", Public: "<gone/>", Show: true})
	if got := x.Response.Header.Get("Content-Type"); got != "application/xml" {
		t.Errorf("the type is %q", got)
	}
	new(Rendering).Fail(x, &gateway.Error{Status: 404, Code: "x", Public: "<gone/>"})
	if got := x.Response.Header.Get("Content-Type"); got != "" {
		t.Errorf("an empty body has the type %q", got)
	}
}

// TestStatusOf lists the status of every failure by its cause.
func TestStatusOf(t *testing.T) {
	gateway.DeclareFailures(gateway.Failure{Code: "test_declared", Class: gateway.Limited, Detail: "It is a test."}) // as components do
	tests := []struct {
		err     gateway.Error
		byCause int
		plain   int
	}{
		{gateway.Error{Code: gateway.CodeBackendStatus}, 502, 500},
		{gateway.Error{Code: gateway.CodeBackendUnreachable}, 502, 500},
		{gateway.Error{Code: gateway.CodeBackendAborted}, 502, 500},
		{gateway.Error{Code: gateway.CodeBackendInvalid}, 502, 500},
		{gateway.Error{Code: gateway.CodeBackendTooLarge}, 502, 500},
		{gateway.Error{Code: gateway.CodeRedirects}, 502, 500},
		{gateway.Error{Code: gateway.CodeNoHost}, 503, 500},
		{gateway.Error{Code: gateway.CodeTimeout}, 504, 500},
		{gateway.Error{Code: gateway.CodeClientGone}, 499, 500},
		{gateway.Error{Code: gateway.CodeInternal}, 500, 500},
		{gateway.Error{Code: gateway.CodeMissingValue}, 500, 500},
		{gateway.Error{Code: gateway.CodeNotFound}, 404, 500},
		{gateway.Error{Code: "anything"}, 500, 500},
		{gateway.Error{Code: "anything", Status: 418}, 418, 418},
		{gateway.Error{Code: "test_declared"}, 503, 500},
		{gateway.Error{Code: "test_declared", Status: 429}, 429, 429},
		{gateway.Error{Code: "test_declared", Class: gateway.Invalid}, 502, 500},
		{gateway.Error{Code: "anything", Class: gateway.Unavailable}, 503, 500},
		{gateway.Error{Code: "anything", Class: gateway.Denied}, 403, 500},
	}
	for _, tt := range tests {
		for byCause, want := range map[bool]int{true: tt.byCause, false: tt.plain} {
			x := gateway.Acquire(nil)
			(&Rendering{ByCause: byCause}).Fail(x, &tt.err)
			if got := x.Response.Status; got != want {
				t.Errorf("%+v, by cause %t: %d, want %d", tt.err, byCause, got, want)
			}
			x.Release()
		}
	}
}

// TestMarks adds the headers of the gateway to the answers that have them, and says of
// none that it is complete when it is a failure in the end.
func TestMarks(t *testing.T) {
	r := &Rendering{Completed: "X-Krakend-Completed", Product: gateway.Field{Name: "X-Krakend", Value: "Version 1"}}
	tests := []struct {
		mark gateway.Mark
		err  error
		want string
	}{
		{gateway.Unmarked, nil, "X-Sluice-Completed: yes"},
		{gateway.Unmarked, errors.New("x"), "X-Sluice-Completed: yes"},
		{gateway.MarkProduct, nil, "X-Sluice-Completed: yes, X-Krakend: Version 1"},
		{gateway.MarkIncomplete, nil, "X-Krakend: Version 1, X-Krakend-Completed: false"},
		{gateway.MarkComplete, nil, "X-Krakend: Version 1, X-Krakend-Completed: true"},
		{gateway.MarkComplete, errors.New("x"), "X-Krakend: Version 1, X-Krakend-Completed: false"},
	}
	for _, tt := range tests {
		x := gateway.Acquire(nil)
		x.Response.Header.Set("X-Sluice-Completed", "yes")
		x.Response.Mark = tt.mark
		if err := r.Leave(t.Context(), x, tt.err); err != nil {
			t.Error(err)
		}
		var got []string
		for _, f := range x.Response.Header {
			got = append(got, f.Name+": "+f.Value)
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("mark %d, error %v: %s, want %s", tt.mark, tt.err, got, tt.want)
		}
		r.Fail(x, errors.New("of a stage outside")) // after which nothing is complete
		if x.Response.Header.Get("X-Krakend-Completed") == "true" {
			t.Errorf("mark %d: a failure is complete", tt.mark)
		}
		x.Release()
	}
}

// TestCompletes holds the names of the field that says whether an answer is complete
// against those of the dialects.
func TestCompletes(t *testing.T) {
	for _, d := range []model.Dialect{model.KrakenD, model.Sluice} {
		if name := model.BehaviourOf(d).CompletedHeader; !gateway.Completes(name) {
			t.Errorf("%s: a service may say %s", d, name)
		}
	}
}
