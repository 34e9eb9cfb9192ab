package azuresbtest

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of AMQP 1.0, part 1, beside those of Go: a list is a []any.
type (
	symbol    string
	millis    int64 // a timestamp
	pairs     []any // a map: keys and values in turn
	described struct {
		code  uint64
		value any
	}
	opaque struct { // a value that nobody looks at
		code byte
		raw  []byte
	}
)

var errShort = errors.New("it ends in the middle of a value")

// parse takes the first value off b.
func parse(b []byte) (v any, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errShort
	}
	code, b := b[0], b[1:]
	if code == 0 {
		d, b, err := parse(b)
		if err != nil {
			return nil, nil, err
		}
		v, b, err := parse(b)
		n, ok := d.(uint64)
		if err == nil && !ok { // by a symbol, as filters are
			return []any{d, v}, b, nil
		}
		return described{n, v}, b, err
	}
	size := 0
	switch code >> 4 {
	case 4:
	case 5:
		size = 1
	case 6:
		size = 2
	case 7:
		size = 4
	case 8:
		size = 8
	case 9:
		size = 16
	case 0xa, 0xc, 0xe:
		if len(b) < 1 {
			return nil, nil, errShort
		}
		size, b = int(b[0]), b[1:]
	case 0xb, 0xd, 0xf:
		if len(b) < 4 {
			return nil, nil, errShort
		}
		size, b = int(binary.BigEndian.Uint32(b)), b[4:]
	default:
		return nil, nil, fmt.Errorf("no value begins with %#x", code)
	}
	if size > len(b) {
		return nil, nil, errShort
	}
	raw, rest := b[:size:size], b[size:]
	switch code {
	case 0x40:
		return nil, rest, nil
	case 0x41:
		return true, rest, nil
	case 0x42:
		return false, rest, nil
	case 0x43:
		return uint32(0), rest, nil
	case 0x44:
		return uint64(0), rest, nil
	case 0x45:
		return []any(nil), rest, nil
	case 0x50:
		return raw[0], rest, nil
	case 0x52:
		return uint32(raw[0]), rest, nil
	case 0x53:
		return uint64(raw[0]), rest, nil
	case 0x54:
		return int32(int8(raw[0])), rest, nil
	case 0x55:
		return int64(int8(raw[0])), rest, nil
	case 0x56:
		return raw[0] == 1, rest, nil
	case 0x60:
		return binary.BigEndian.Uint16(raw), rest, nil
	case 0x70:
		return binary.BigEndian.Uint32(raw), rest, nil
	case 0x71:
		return int32(binary.BigEndian.Uint32(raw)), rest, nil
	case 0x80:
		return binary.BigEndian.Uint64(raw), rest, nil
	case 0x81:
		return int64(binary.BigEndian.Uint64(raw)), rest, nil
	case 0x83:
		return millis(binary.BigEndian.Uint64(raw)), rest, nil
	case 0xa0, 0xb0:
		return raw, rest, nil
	case 0xa1, 0xb1:
		return string(raw), rest, nil
	case 0xa3, 0xb3:
		return symbol(raw), rest, nil
	case 0xc0, 0xc1, 0xd0, 0xd1:
		width := 1
		if code >= 0xd0 {
			width = 4
		}
		if len(raw) < width {
			return nil, nil, errShort
		}
		var list []any
		for raw = raw[width:]; len(raw) > 0; {
			if v, raw, err = parse(raw); err != nil {
				return nil, nil, err
			}
			list = append(list, v)
		}
		if code&1 == 1 {
			return pairs(list), rest, nil
		}
		return list, rest, nil
	}
	return opaque{code, raw}, rest, nil
}

// put appends a value to b.
func put(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if v {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(b, 0x60), v)
	case uint32:
		return binary.BigEndian.AppendUint32(append(b, 0x70), v)
	case uint64:
		return binary.BigEndian.AppendUint64(append(b, 0x80), v)
	case int32:
		return binary.BigEndian.AppendUint32(append(b, 0x71), uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 0x81), uint64(v))
	case millis:
		return binary.BigEndian.AppendUint64(append(b, 0x83), uint64(v))
	case []byte:
		return append(binary.BigEndian.AppendUint32(append(b, 0xb0), uint32(len(v))), v...)
	case string:
		return append(binary.BigEndian.AppendUint32(append(b, 0xb1), uint32(len(v))), v...)
	case symbol:
		return append(binary.BigEndian.AppendUint32(append(b, 0xb3), uint32(len(v))), v...)
	case described:
		return put(append(b, 0, 0x53, byte(v.code)), v.value)
	case []any:
		return putAll(append(b, 0xd0), v)
	case pairs:
		return putAll(append(b, 0xd1), v)
	}
	panic(fmt.Sprintf("nobody puts a %T", v))
}

func putAll(b []byte, list []any) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), uint32(len(list)))
	for _, v := range list {
		b = put(b, v)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// A performative is what a frame says: its fields, which may be fewer than there are.
type performative struct {
	code   uint64
	fields []any
}

func (p performative) at(i int) any {
	if i < len(p.fields) {
		return p.fields[i]
	}
	return nil
}

// number returns a field of the type uint, or without it.
func (p performative) number(i int) uint32 {
	n, _ := p.at(i).(uint32)
	return n
}

func (p performative) is(i int) bool {
	is, _ := p.at(i).(bool)
	return is
}

func (p performative) text(i int) string {
	s, _ := p.at(i).(string)
	return s
}

// address returns that of a source or a target.
func (p performative) address(i int) string {
	d, _ := p.at(i).(described)
	list, _ := d.value.([]any)
	return performative{fields: list}.text(0)
}

// fields returns those of a described list.
func fieldsOf(v any) []any {
	d, _ := v.(described)
	list, _ := d.value.([]any)
	return list
}

// get returns what a map has at a text or a symbol.
func (p pairs) get(key string) any {
	for i := 0; i+1 < len(p); i += 2 {
		if fmt.Sprint(p[i]) == key {
			return p[i+1]
		}
	}
	return nil
}
