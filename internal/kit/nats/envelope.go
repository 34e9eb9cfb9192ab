package nats

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// An envelope is two values of encoding/gob, a map[string]string and a []byte, with the
// definition of the first type in front. What is written here is what such an encoder writes,
// and what is read is no more than that: nothing is made of a type that somebody else
// defines, and nothing is larger than the message.
//
// Source: the comment of package encoding/gob, section Encoding Details.

// mapType is the definition of map[string]string as type 64, the first that is free:
// mapType{CommonType{Id: 64}, Key: string, Elem: string}, with its length in front.
const mapType = "\x0d\x7f\x04\x01\x02\xff\x80\x00\x01\x0c\x01\x0c\x00\x00"

const (
	mapID   = "\xff\x80" // 64
	bytesID = "\x0a"     // 5, which is given for []byte
)

// appendEnvelope appends attributes and body. Without attributes it is the body alone.
func appendEnvelope(dst []byte, attributes gateway.Fields, body []byte) []byte {
	if len(attributes) == 0 {
		return append(dst, body...)
	}
	var texts []byte
	for _, f := range attributes {
		texts = appendText(texts, f.Name)
		texts = appendText(texts, f.Value)
	}
	head := appendUint([]byte(mapID+"\x00"), uint64(len(attributes)))
	dst = append(dst, mapType...)
	dst = appendUint(dst, uint64(len(head)+len(texts)))
	dst = append(append(dst, head...), texts...)
	head = appendUint([]byte(bytesID+"\x00"), uint64(len(body)))
	dst = appendUint(dst, uint64(len(head)+len(body)))
	return append(append(dst, head...), body...)
}

func appendText(dst []byte, s string) []byte { return append(appendUint(dst, uint64(len(s))), s...) }

// appendUint appends an unsigned number: one byte below 128, else the number of its bytes,
// negated, and these.
func appendUint(dst []byte, n uint64) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	zeros := bits.LeadingZeros64(n) / 8
	return append(append(dst, -byte(8-zeros)), b[zeros:]...)
}

var errEnvelope = errors.New("no envelope")

// openEnvelope takes an envelope apart; the body is a part of data. An error says that it is
// none, so that all of it is a body. Of a name that occurs again the last value counts, as it
// does for package gob, and of names that are too many the first.
func openEnvelope(data []byte) (fields gateway.Fields, body []byte, err error) {
	r := reader{data}
	def, err := r.block()
	if err != nil {
		return nil, nil, err
	}
	id, err := definedMap(def)
	if err != nil {
		return nil, nil, err
	}
	texts, err := r.value(id)
	if err != nil {
		return nil, nil, err
	}
	count, err := texts.uint()
	if err != nil || count > uint64(len(texts.rest)) { // two bytes at least for each
		return nil, nil, errEnvelope
	}
	places := make(map[string]int)
	for range count {
		name, err := texts.bytes()
		if err != nil {
			return nil, nil, err
		}
		value, err := texts.bytes()
		if err != nil {
			return nil, nil, err
		}
		i, again := places[string(name)]
		switch {
		case again:
			fields[i].Value = string(value)
		case len(fields) < attributes:
			f := gateway.Field{Name: string(name), Value: string(value)}
			places[f.Name] = len(fields)
			fields = append(fields, f)
		}
	}
	payload, err := r.value(5)
	if err != nil {
		return nil, nil, err
	}
	if body, err = payload.bytes(); err != nil || len(payload.rest) > 0 || len(texts.rest) > 0 || len(r.rest) > 0 {
		return nil, nil, errEnvelope
	}
	return fields, body, nil
}

// definedMap returns the number of the type that is defined, which is map[string]string
// without a name of its own.
func definedMap(def reader) (id uint64, err error) {
	n, err := def.uint()
	if err != nil || n&1 == 0 { // of a definition it is negative
		return 0, errEnvelope
	}
	id = n>>1 + 1
	again := appendUint([]byte("\x04\x01\x02"), id<<1)
	again = append(again, "\x00\x01\x0c\x01\x0c\x00\x00"...)
	if string(def.rest) != string(again) {
		return 0, errEnvelope
	}
	return id, nil
}

// A reader reads what an encoder of gob has written.
type reader struct{ rest []byte }

// uint reads an unsigned number.
func (r *reader) uint() (uint64, error) {
	if len(r.rest) == 0 {
		return 0, errEnvelope
	}
	first := r.rest[0]
	r.rest = r.rest[1:]
	if first < 0x80 {
		return uint64(first), nil
	}
	size := int(-first)
	if size > 8 || size > len(r.rest) {
		return 0, errEnvelope
	}
	var n uint64
	for _, c := range r.rest[:size] {
		n = n<<8 | uint64(c)
	}
	r.rest = r.rest[size:]
	return n, nil
}

// bytes reads a length and so many bytes.
func (r *reader) bytes() ([]byte, error) {
	size, err := r.uint()
	if err != nil || size > uint64(len(r.rest)) {
		return nil, errEnvelope
	}
	b := r.rest[:size:size]
	r.rest = r.rest[size:]
	return b, nil
}

// block reads one message of the stream.
func (r *reader) block() (reader, error) {
	b, err := r.bytes()
	return reader{b}, err
}

// value reads a message that holds a value of the type, which is no struct.
func (r *reader) value(id uint64) (reader, error) {
	b, err := r.block()
	if err != nil {
		return reader{}, err
	}
	if n, err := b.uint(); err != nil || n != id<<1 {
		return reader{}, errEnvelope
	}
	if zero, err := b.uint(); err != nil || zero != 0 {
		return reader{}, errEnvelope
	}
	return b, nil
}
