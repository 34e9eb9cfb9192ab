package body

import (
	"compress/gzip"
	"io"
	"strings"
	"sync"
)

// IsGzip reports whether gzip, which has an old name, x-gzip, is what a content is packed
// in, and nothing else (RFC 9110, section 8.4). The codings are the values of
// Content-Encoding, whose lines are one list. Letter case does not count.
func IsGzip(codings ...string) (is bool) {
	for _, line := range codings {
		for coding := range strings.SplitSeq(line, ",") {
			switch coding = strings.Trim(coding, " \t"); {
			case coding == "":
			case is || !strings.EqualFold(coding, "gzip") && !strings.EqualFold(coding, "x-gzip"):
				return false
			default:
				is = true
			}
		}
	}
	return is
}

// Unpack returns the content of a stream in gzip, and owns the stream. Nothing is read
// before a byte of the content is wanted, so that a message can be passed on before its
// body begins. What fails to be read or unpacked is returned as failed makes it: a stream
// without a byte fails with [io.EOF], which is the end of an empty content if it stays.
func Unpack(from io.ReadCloser, failed func(error) error) io.ReadCloser {
	return &unpacked{from: from, failed: failed}
}

// unpackers holds readers that have come to the end of a stream. One of a stream that was
// closed before is left to the collector: a client library may close the body while it
// still reads from it.
var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

type unpacked struct {
	from   io.ReadCloser
	failed func(error) error
	gzip   *gzip.Reader // nil before the first read, and at the end
	err    error        // of the last read
}

// Read unpacks.
func (u *unpacked) Read(p []byte) (int, error) {
	if u.gzip == nil {
		if err := u.open(); err != nil {
			return 0, err
		}
	}
	n, err := u.gzip.Read(p)
	if err == io.EOF {
		u.end(err)
	} else if err != nil {
		u.end(u.failed(err))
	}
	return n, u.err
}

// open reads the header, unless the stream has ended.
func (u *unpacked) open() error {
	if u.err != nil {
		return u.err
	}
	u.gzip = unpackers.Get().(*gzip.Reader)
	if err := u.gzip.Reset(u.from); err != nil {
		u.end(u.failed(err))
	}
	return u.err
}

// end notes why there is nothing more.
func (u *unpacked) end(err error) {
	unpackers.Put(u.gzip)
	u.gzip, u.err = nil, err
}

// Begin tells whether the stream breaks off before its first byte, as [Body.Begin]
// says; with wait it reads the header.
func (u *unpacked) Begin(wait bool) error {
	if !wait {
		if s, ok := u.from.(interface{ Begin(wait bool) error }); ok {
			return s.Begin(false)
		}
		return nil
	}
	if u.gzip == nil {
		if err := u.open(); err != io.EOF {
			return err
		}
	}
	return nil
}

// Close closes the packed stream.
func (u *unpacked) Close() error { return u.from.Close() }
