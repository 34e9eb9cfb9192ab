package nats

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"testing"

	client "github.com/nats-io/nats.go"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// written returns what package gob makes of a message.
func written(t testing.TB, attributes map[string]string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	e := gob.NewEncoder(&b)
	for _, v := range []any{attributes, body} {
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func asMap(f gateway.Fields) map[string]string {
	m := make(map[string]string)
	for _, field := range f {
		m[field.Name] = field.Value
	}
	return m
}

// TestEnvelope: package gob reads what is written here, and what it writes is read here.
func TestEnvelope(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 70_000)
	for _, tt := range []struct {
		attributes gateway.Fields
		body       []byte
	}{
		{gateway.Fields{{Name: "User-Agent", Value: "x"}}, []byte("hi")},
		{gateway.Fields{{Name: "A", Value: ""}, {Name: "B", Value: string(large[:300])}}, nil},
		{gateway.Fields{{Name: "A", Value: "ä\n\x00"}}, large},
	} {
		ours := appendEnvelope(nil, tt.attributes, tt.body)
		d := gob.NewDecoder(bytes.NewReader(ours))
		var attributes map[string]string
		var body []byte
		for _, v := range []any{&attributes, &body} {
			if err := d.Decode(v); err != nil {
				t.Fatalf("%v: gob does not read it: %v", tt.attributes, err)
			}
		}
		if !maps.Equal(attributes, asMap(tt.attributes)) || !bytes.Equal(body, tt.body) {
			t.Errorf("gob reads %v and %d bytes", attributes, len(body))
		}
		for _, data := range [][]byte{ours, written(t, asMap(tt.attributes), tt.body)} {
			fields, body, err := openEnvelope(data)
			if err != nil || !maps.Equal(asMap(fields), asMap(tt.attributes)) || !bytes.Equal(body, tt.body) {
				t.Errorf("read %v, %d bytes, %v; want %v and %d", fields, len(body), err, tt.attributes, len(tt.body))
			}
		}
	}
	if got := appendEnvelope(nil, nil, []byte("hi")); string(got) != "hi" {
		t.Errorf("without attributes: %q", got)
	}
}

// TestNoEnvelope: everything else is a body.
func TestNoEnvelope(t *testing.T) {
	type other struct{ A, B string }
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(other{"x", "y"}); err != nil {
		t.Fatal(err)
	}
	whole := appendEnvelope(nil, gateway.Fields{{Name: "A", Value: "b"}}, []byte("hi"))
	for _, data := range [][]byte{nil, []byte("{}"), []byte("hello"), b.Bytes(), whole[:len(whole)-1], append(whole[:len(whole):len(whole)], 0)} {
		if fields, body, err := openEnvelope(data); err == nil {
			t.Errorf("%q: %v, %q", data, fields, body)
		}
	}
}

// TestWeight: what is held is counted as what it takes, though it were a few bytes on the way.
func TestWeight(t *testing.T) {
	const each = 1 << 20
	many := make(client.Header)
	for i := range each / 8 {
		many[fmt.Sprintf("%04x", i)] = []string{""}
	}
	var names gateway.Fields
	for i := range each / 8 {
		names.Add(fmt.Sprintf("%05x", i), "")
	}
	for name, m := range map[string]*client.Msg{
		"headers":       {Header: many},
		"an envelope":   {Data: appendEnvelope(nil, names, nil)},
		"one name":      {Data: appendEnvelope(nil, make(gateway.Fields, each/2), nil)},
		"as it will be": {Header: client.Header{"A": []string{"b"}}, Data: []byte("hello")},
	} {
		s := &subscriber{held: make(chan *delivery, 1)}
		s.take(m)
		d := <-s.held
		n := len(d.m.Attributes)
		if least := int64(m.Size() + 32*n); d.size < least || d.size > least+64*int64(n) || s.bytes.Load() != d.size || n > 1000 {
			t.Errorf("%s: %d attributes, of %d bytes, counted as %d and %d", name, n, m.Size(), d.size, s.bytes.Load())
		}
	}
}

// FuzzEnvelope: nothing is larger than the message, and what is read is what package gob
// reads.
func FuzzEnvelope(f *testing.F) {
	f.Add(appendEnvelope(nil, gateway.Fields{{Name: "A", Value: "b"}, {Name: "C", Value: "d"}, {Name: "A", Value: "e"}}, []byte("hi")))
	f.Add(appendEnvelope(nil, gateway.Fields{{Name: "A", Value: "b"}, {Name: "C", Value: "d"}}, []byte("hi")))
	f.Add(written(f, map[string]string{"User-Agent": "x"}, []byte("hi")))
	f.Add([]byte("\x0d\x7f\x04\x01\x02\xff\x80\x00\x01\x0c\x01\x0c\x00\x00\x0b\xff\x80\x00\xf8\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte(`{"id":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, body, err := openEnvelope(data)
		if err != nil {
			return
		}
		size := len(body)
		for _, field := range fields {
			size += len(field.Name) + len(field.Value)
		}
		if size > len(data) {
			t.Fatalf("%d bytes of %d", size, len(data))
		}
		attributes := make(map[string]string)
		var payload []byte
		d := gob.NewDecoder(bytes.NewReader(data))
		if err := d.Decode(&attributes); err != nil {
			t.Fatalf("gob: %v", err)
		}
		if err := d.Decode(&payload); err != nil {
			t.Fatalf("gob: %v", err)
		}
		if got := asMap(fields); len(got) != len(fields) {
			t.Fatalf("a name occurs twice in %v", fields)
		} else if !bytes.Equal(payload, body) || len(got) < 1000 && !maps.Equal(attributes, got) {
			t.Fatalf("%v, %q; gob: %v, %q", fields, body, attributes, payload)
		}
	})
}
