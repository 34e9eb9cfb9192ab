package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/sluice-gateway/sluice/internal/body"
)

// client returns a client's message whose every part is set. Its strings lie in
// memory that spoil overwrites, as an engine does when it takes it back.
func client() (in Inbound, spoil func()) {
	memory := []byte("POST|/p/1|q=1|gateway.test|HTTP/1.1|X-One|first|X-Two|second|X-One|third|parameter|the rest|/p/{id}")
	parts := strings.Split(unsafe.String(&memory[0], len(memory)), "|")
	return &arrived{
			message: &message{Message{
				Method: parts[0], Path: parts[1], RawQuery: parts[2], Host: parts[3], Proto: parts[4],
				Secure: true, TLS: &tls.ConnectionState{Version: tls.VersionTLS13}, Peer: netip.MustParseAddrPort("192.0.2.1:1024"),
				Header: Fields{{parts[5], parts[6]}, {parts[7], parts[8]}, {parts[9], parts[10]}},
				Body:   []byte("body"),
			}},
			param: parts[11], rest: parts[12], pattern: parts[13],
		}, func() {
			for i := range memory {
				memory[i] = '!'
			}
		}
}

// arrived is a message that is still in its engine, with what was found in it.
type arrived struct {
	*message
	param, rest, pattern string
}

// A pin counts how often it was released.
type pin int

func (p *pin) Release(error) { *p++ }

// used returns an exchange all of whose fields were set, and children of it.
func used(t *testing.T) *Exchange {
	t.Helper()
	in, _ := client()
	x := Acquire(in)
	x.Request = Request{
		Method: "POST", Scheme: "https", Host: "b.test", Path: "/x", RawQuery: "a=1", Unpack: true,
		Query: Fields{{"a", "1"}, {"b", "2"}}, Pairs: []string{"a=1", "b=2"}, Header: Fields{{"A", "1"}}, Body: body.FromBytes([]byte("{}")),
	}
	x.Response = Response{Status: 200, Header: Fields{{"B", "2"}}, Body: body.FromBytes([]byte("{}")), Complete: true, Failed: true}
	x.Identity = &Identity{Claims: map[string]any{"sub": "me"}}
	x.Client, x.Endpoint = netip.MustParseAddr("192.0.2.1"), "/p/{id}"
	x.Path, x.Params, x.Raw, x.Rest = "/p/1", append(x.Params, "1", "2"), []string{"1", "2"}, "rest"
	x.Results = []Result{{}}
	x.Identify()
	x.Pin, x.Err, x.Personal, x.Record = new(pin), errors.New("trouble"), true, NewRecord()
	x.Started, x.Until = time.Unix(1, 0), time.Unix(2, 0)
	x.turn, x.taken, x.handed = new(turn), true, true
	SlotAt[string](2).Set(x, "state")
	x.SetParam(1, "3")
	x.OnRelease(func() {})
	x.Child()
	x.Reply()
	return x
}

// TestReleasePanics ends all of an exchange whatever panics, and tells its pin, or whoever
// releases one that has none.
func TestReleasePanics(t *testing.T) {
	begin := func() (*Exchange, *[]string) {
		x, log := Acquire(nil), new([]string)
		child := x.Child()
		child.OnRelease(func() { panic("the child") })
		child.Response.Body = body.FromStream(trouble{log}, -1)
		x.Request.Body = body.FromStream(trouble{log}, -1)
		x.OnRelease(func() { *log = append(*log, "first") })
		x.OnRelease(func() { panic("the second") })
		x.OnRelease(func() { *log = append(*log, "third") })
		return x, log
	}
	want := []string{"closed", "closed", "third", "first"}
	x, log := begin()
	var end End
	x.Pin = &end
	x.Release()
	if !slices.Equal(*log, want) {
		t.Errorf("done: %q, want %q", *log, want)
	}
	for _, part := range []string{"the child", "the second", "closing"} {
		if end.Err == nil || !strings.Contains(end.Err.Error(), "panic: "+part) || AsError(end.Err).Code != CodeInternal {
			t.Errorf("the pin is told %v, want %q in it", end.Err, part)
		}
	}
	x, log = begin()
	func() {
		defer func() {
			if v := recover(); v == nil {
				t.Error("nobody is told")
			}
		}()
		x.Release()
	}()
	if !slices.Equal(*log, want) {
		t.Errorf("without a pin: done %q, want %q", *log, want)
	}
}

// A trouble is a stream that panics when it is closed.
type trouble struct{ log *[]string }

func (trouble) Read([]byte) (int, error) { panic("reading") }

func (s trouble) Close() error {
	*s.log = append(*s.log, "closed")
	panic("closing")
}

// TestRelease shows that nothing of an exchange survives but room for the next
// one, and that this room is empty.
func TestRelease(t *testing.T) {
	x := used(t)
	child := x.children[0]
	SlotAt[int](0).Set(child, 7)
	v := reflect.ValueOf(x).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Parent" {
			t.Fatalf("the test does not use %s", name)
		}
	}
	held := x.Pin.(*pin)
	x.Release()
	if *held != 1 {
		t.Errorf("what was held for the exchange was released %d times, want once", *held)
	}
	for name, x := range map[string]*Exchange{"exchange": x, "child": child} {
		var clean Exchange
		clean.Request.Pairs = x.Request.Pairs
		clean.Request.Query, clean.Request.Header, clean.Response.Header = x.Request.Query, x.Request.Header, x.Response.Header
		clean.children, clean.slots, clean.onRelease = x.children, x.slots, x.onRelease
		if !reflect.DeepEqual(*x, clean) {
			t.Errorf("%s after its release: %+v", name, *x)
		}
		for _, fields := range []Fields{x.Request.Query, x.Request.Header, x.Response.Header} {
			if len(fields) != 0 || slices.ContainsFunc(fields[:cap(fields)], func(f Field) bool { return f != Field{} }) {
				t.Errorf("%s: fields %v survive", name, fields[:cap(fields)])
			}
		}
		if len(x.children)+len(x.slots)+len(x.onRelease) != 0 {
			t.Errorf("%s: %d children, %d slots, %d functions survive", name, len(x.children), len(x.slots), len(x.onRelease))
		}
		for _, c := range x.children[:cap(x.children)] {
			if c != nil {
				t.Errorf("%s: a child survives", name)
			}
		}
		for _, s := range x.slots[:cap(x.slots)] {
			if s != nil {
				t.Errorf("%s: the state %v survives", name, s)
			}
		}
	}
}

func TestAcquire(t *testing.T) {
	for range 100 {
		used(t).Release()
		in, _ := client()
		x := Acquire(in)
		if x.In != in || len(x.Params) != 0 || x.Replied() || x.Parent != nil || x.Identity != nil || x.Response.Status != 0 ||
			len(x.Request.Header) != 0 || x.Request.Body.Form() != body.Empty {
			t.Fatalf("a fresh exchange: %+v", x)
		}
		if v, ok := SlotAt[string](2).Get(x); ok {
			t.Fatalf("a fresh exchange has the state %q", v)
		}
		x.Release()
	}
}

func TestChild(t *testing.T) {
	x := used(t)
	defer x.Release()
	c := x.Child()
	if c.In != x.In || c.Parent != x || c.Identity != x.Identity || c.Client != x.Client || c.Endpoint != x.Endpoint ||
		!slices.Equal(c.Params, x.Params) || !slices.Equal(c.Raw, x.Raw) || c.Path != x.Path || c.Rest != x.Rest || len(c.Results) != 1 || c.Request.Method != "POST" {
		t.Errorf("the child %+v does not see what its parent %+v sees", c, x)
	}
	if c.Replied() || len(c.Request.Header) != 0 || len(c.Request.Query) != 0 || c.Request.Path != "" || c.Response.Status != 0 {
		t.Errorf("the child begins with a request or an answer: %+v", c)
	}
	if _, ok := SlotAt[string](2).Get(c); ok {
		t.Error("the child sees the state of a stage of its parent")
	}
}

// A watched body tells when it is closed.
type watched struct {
	io.Reader
	closed func()
}

func (w watched) Close() error { w.closed(); return nil }

func TestReleaseOrder(t *testing.T) {
	var order []string
	note := func(what string) func() { return func() { order = append(order, what) } }
	stream := func(what string) body.Body {
		return body.FromStream(watched{strings.NewReader(""), note(what)}, -1)
	}
	x := Acquire(nil)
	x.OnRelease(note("first"))
	x.Request.Body, x.Response.Body = stream("request"), stream("response")
	x.OnRelease(note("second"))
	for _, name := range []string{"a", "b"} {
		c := x.Child()
		c.OnRelease(note(name + " first"))
		c.Response.Body = stream(name + " response")
		c.OnRelease(note(name + " second"))
		c.Child().OnRelease(note(name + " child"))
	}
	x.Release()
	want := []string{
		"a child", "a response", "a second", "a first",
		"b child", "b response", "b second", "b first",
		"request", "response", "second", "first",
	}
	if !slices.Equal(order, want) {
		t.Errorf("released in the order %q, want %q", order, want)
	}
}

// TestReleaseEdited lets what runs at the release of an exchange see the message as it was
// edited, and no other.
func TestReleaseEdited(t *testing.T) {
	in, _ := client()
	x := Acquire(in)
	x.Edit().SetPath("/edited")
	var seen []string
	look := func() { seen = append(seen, x.In.Path()) }
	x.OnRelease(look)
	x.Response.Body = body.FromStream(watched{strings.NewReader(""), look}, -1)
	x.Release()
	if want := []string{"/edited", "/edited"}; !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

func TestSlots(t *testing.T) {
	x := Acquire(nil)
	defer x.Release()
	text, number, late := SlotAt[string](0), SlotAt[int](1), SlotAt[*int](9)
	if v, ok := text.Get(x); ok || v != "" {
		t.Errorf("a slot before it is set: %q, %t", v, ok)
	}
	number.Set(x, 3)
	if v, ok := text.Get(x); ok {
		t.Errorf("a slot below one that is set: %q, %t, want none", v, ok)
	}
	text.Set(x, "a")
	text.Set(x, "b")
	late.Set(x, nil)
	if v, ok := text.Get(x); !ok || v != "b" {
		t.Errorf("the text is %q, %t, want b", v, ok)
	}
	if v, ok := number.Get(x); !ok || v != 3 {
		t.Errorf("the number is %d, %t, want 3", v, ok)
	}
	if v, ok := late.Get(x); !ok || v != nil {
		t.Errorf("the nil pointer is %v, %t, want it to be set", v, ok)
	}
	if v, ok := SlotAt[bool](0).Get(x); ok {
		t.Errorf("a slot of another type: %t, %t, want none", v, ok)
	}
}

// TestDetach shows that a copy asks the same and shares no memory with what it
// was copied from.
func TestDetach(t *testing.T) {
	in, spoil := client()
	m := in.(*arrived)
	x := Acquire(in)
	x.Endpoint, x.Path, x.Rest, x.Params, x.Raw = m.pattern, m.Path(), m.rest, append(x.Params, m.param), []string{m.param}
	x.Client = in.Peer().Addr()
	x.Identity = &Identity{Name: m.param, Roles: []string{m.param}, Claims: map[string]any{"sub": "me"}, Verified: m.param}
	x.Request.Method, x.Request.Path, x.Request.Host = m.Method(), "/backend", "backend.test"
	x.Request.Header = in.AppendHeaders(x.Request.Header)
	x.Request.Query = append(x.Request.Query, Field{m.RawQuery(), m.param})
	x.Request.Pairs = append(x.Request.Pairs, m.param)
	x.Request.Body = body.FromBytes([]byte("body"))
	SlotAt[int](0).Set(x, 1)
	x.Reply()
	x.Record = NewRecord()
	record := x.Record

	c := Detach(x)
	x.Release()
	spoil()
	defer c.Release()
	if c.Record != record {
		t.Error("who looks at it does not look at the copy")
	}
	if c.Parent != nil || c.Replied() || c.Request.Body.Form() != body.Empty || c.Request.Path != "" || c.Request.Host != "" {
		t.Errorf("the copy %+v is not a request of its own", c)
	}
	if _, ok := SlotAt[int](0).Get(c); ok {
		t.Error("the copy has the state of a stage")
	}
	for what, pair := range map[string][2]any{
		"method":    {c.Request.Method, "POST"},
		"header":    {c.Request.Header, Fields{{"X-One", "first"}, {"X-Two", "second"}, {"X-One", "third"}}},
		"pairs":     {c.Request.Pairs, []string{"parameter"}},
		"query":     {c.Request.Query, Fields{{"q=1", "parameter"}}},
		"params":    {c.Params, []string{"parameter"}},
		"raw":       {c.Raw, []string{"parameter"}},
		"routed":    {c.Path, "/p/1"},
		"rest":      {c.Rest, "the rest"},
		"endpoint":  {c.Endpoint, "/p/{id}"},
		"client":    {c.Client.String(), "192.0.2.1"},
		"claims":    {c.Identity.Claims["sub"], "me"},
		"verified":  {c.Identity.Verified, "parameter"},
		"name":      {c.Identity.Name, "parameter"},
		"roles":     {c.Identity.Roles, []string{"parameter"}},
		"In method": {c.In.Method(), "POST"},
		"In path":   {c.In.Path(), "/p/1"},
		"In query":  {c.In.RawQuery(), "q=1"},
		"In host":   {c.In.Host(), "gateway.test"},
		"In proto":  {c.In.Proto(), "HTTP/1.1"},
		"In secure": {c.In.Secure(), true},
		"In TLS":    {TLSOf(c.In), &tls.ConnectionState{Version: tls.VersionTLS13}},
		"In peer":   {c.In.Peer().String(), "192.0.2.1:1024"},
		"In header": {c.In.AppendHeaders(nil), Fields{{"X-One", "first"}, {"X-Two", "second"}, {"X-One", "third"}}},
		"In X-One":  {c.In.AppendHeader(nil, "X-One"), Fields{{"X-One", "first"}, {"X-One", "third"}}},
		"In first":  {c.In.Header("X-One"), "first"},
		"In body":   {c.In.Body(), io.Reader(nil)},
		"In length": {c.In.Length(), int64(0)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s of the copy: %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestReply(t *testing.T) {
	x := Acquire(nil)
	defer x.Release()
	if x.Replied() {
		t.Error("a fresh exchange is answered")
	}
	x.Reply()
	if !x.Replied() {
		t.Error("Reply did not end the way in")
	}
}

func TestFunctions(t *testing.T) {
	trouble, other := errors.New("trouble"), errors.New("other")
	x := Acquire(nil)
	defer x.Release()
	f := func(_ context.Context, got *Exchange) error {
		if got != x {
			t.Error("called with another exchange")
		}
		return trouble
	}
	if err := ConnectorFunc(f).Do(t.Context(), x); err != trouble {
		t.Errorf("Do: %v", err)
	}
	if err := StageFunc(f).Enter(t.Context(), x); err != trouble {
		t.Errorf("Enter: %v", err)
	}
	leave := LeaveFunc(func(_ context.Context, _ *Exchange, err error) error { return errors.Join(err, other) })
	if err := leave.Enter(t.Context(), x); err != nil {
		t.Errorf("Enter of a LeaveFunc: %v", err)
	}
	if err := leave.Leave(t.Context(), x, trouble); !errors.Is(err, trouble) || !errors.Is(err, other) {
		t.Errorf("Leave: %v", err)
	}
}

// TestSetParam changes a parameter for one call and those that are made for it.
func TestSetParam(t *testing.T) {
	x := Acquire(nil)
	defer x.Release()
	x.Params, x.Raw = append(x.Params, "a", "b"), []string{"a", "%62"}
	one, two := x.Child(), x.Child()
	one.SetParam(1, "c")
	one.SetParam(0, "d")
	for name, got := range map[string]*Exchange{"a,b a,%62": x, "d,c ,": one, "a,b a,%62 of the sibling": two, "d,c , of its own": one.Child()} {
		if text := strings.Join(got.Params, ",") + " " + strings.Join(got.Raw, ","); !strings.HasPrefix(name, text) {
			t.Errorf("got %s, want %s", text, name)
		}
	}
}

// TestTake has an answer with every part set taken over: nothing is forgotten, what was
// there of header and trailer stays, and the body has one owner.
func TestTake(t *testing.T) {
	from := Response{
		Status: 201, Header: Fields{{"B", "2"}}, Body: body.FromBytes([]byte("{}")), Complete: true, Final: true, Receipt: 202, Mark: MarkComplete,
		Failed: true, Untyped: true, Missing: errors.New("one is"), Upgrade: "websocket",
		Trailer: &Fields{{"D", "4"}},
	}
	for v, i := reflect.ValueOf(from), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set", v.Type().Field(i).Name)
		}
	}
	want := from
	want.Header, want.Trailer = Fields{{"A", "1"}, {"B", "2"}}, &Fields{{"C", "3"}, {"D", "4"}}
	to := Response{Header: Fields{{"A", "1"}}, Trailer: &Fields{{"C", "3"}}}
	to.Take(&from)
	if !reflect.DeepEqual(to, want) {
		t.Errorf("got %+v, want %+v", to, want)
	}
	if from.Body.Form() != body.Empty {
		t.Error("the body was shared")
	}
	from.AddTrailer("E", "5") // as whoever makes the body does
	if got, want := *to.Trailer, (Fields{{"C", "3"}, {"D", "4"}, {"E", "5"}}); !slices.Equal(got, want) {
		t.Errorf("behind the body came %v, want %v", got, want)
	}
}
