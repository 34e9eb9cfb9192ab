package httpcall

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestUnpacked: what is unpacked, and what is said of it then.
func TestUnpacked(t *testing.T) {
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, text) // into memory
		z.Close()
		return b.String()
	}
	const coding, control = "Content-Encoding", "Cache-Control"
	once, twice := pack("hello"), pack(pack("hello"))
	for _, tt := range []struct {
		name    string
		status  int
		header  []string // names and values in turn
		text    string
		accepts string // of the client
		decodes bool   // the answer does not pass as it comes
		want    []string
		body    string
	}{
		{"gzip", 200, []string{coding, "gzip", "X-A", "b"}, once, "", false, []string{"X-A", "b"}, "hello"},
		{"its old name", 200, []string{coding, " X-GZIP "}, once, "", false, nil, "hello"},
		{"with nothing beside it", 200, []string{coding, "gzip,", coding, ""}, once, "", false, nil, "hello"},
		{"no coding", 200, []string{"Etag", `"1"`, "Digest", "x"}, once, "", false, []string{"Etag", `"1"`, "Digest", "x"}, once},
		{"twice, in two lines", 200, []string{coding, "gzip", coding, "gzip"}, twice, "", false, []string{coding, "gzip", coding, "gzip"}, twice},
		{"twice, in one", 200, []string{coding, "gzip, gzip"}, twice, "", false, []string{coding, "gzip, gzip"}, twice},
		{"below another", 200, []string{coding, "gzip", coding, "br"}, once, "", false, []string{coding, "gzip", coding, "br"}, once},
		{"above another", 200, []string{coding, "br", coding, "gzip"}, once, "", false, []string{coding, "br", coding, "gzip"}, once},
		{"decoded, below another", 200, []string{coding, "gzip", coding, "br"}, once, "", true, []string{coding, "gzip", coding, "br"}, once},
		{"a part", 206, []string{coding, "gzip", "Content-Range", "bytes 0-4/9"}, once[:5], "", false, []string{coding, "gzip", "Content-Range", "bytes 0-4/9"}, once[:5]},
		{"nothing", 200, []string{coding, "gzip"}, "", "", false, []string{coding, "gzip"}, ""},
		{"a strong validator", 200, []string{coding, "gzip", "Etag", `"1"`}, once, "", false, []string{"Etag", `W/"1"`}, "hello"},
		{"a weak validator", 200, []string{coding, "gzip", "Etag", `W/"1"`}, once, "", false, []string{"Etag", `W/"1"`}, "hello"},
		{"digests", 200, []string{coding, "gzip", "Digest", "x", "Repr-Digest", "x", "Content-Digest", "x", "Content-Md5", "x"}, once, "", false, nil, "hello"},
		{"304 of what was unpacked", 304, []string{"Etag", `"1"`}, "", "", false, []string{"Etag", `W/"1"`}, ""},
		{"304 of something else", 304, []string{"Etag", `"2"`}, "", "", false, []string{"Etag", `"2"`}, ""},
		{"not to be transformed", 200, []string{coding, "gzip", control, "max-age=1, No-Transform", "Etag", `"1"`}, once, "br, gzip;q=0.5", false,
			[]string{coding, "gzip", control, "max-age=1, No-Transform", "Etag", `"1"`}, once},
		{"not to be transformed, for a client without gzip", 200, []string{coding, "gzip", control, "no-transform"}, once, "br, gzip;q=0.0", false, []string{control, "no-transform"}, "hello"},
		{"not to be transformed, for a client that says nothing", 200, []string{coding, "gzip", control, "no-transform"}, once, "", false, []string{control, "no-transform"}, "hello"},
		{"not to be transformed, decoded", 200, []string{coding, "gzip", control, "no-transform"}, once, "gzip", true, []string{control, "no-transform"}, "hello"},
		{"no-transform in quotes", 200, []string{coding, "gzip", control, `private="a, no-transform, b"`}, once, "gzip", false, []string{control, `private="a, no-transform, b"`}, "hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := testx.Request{}
			if tt.accepts != "" {
				q.Header.Add("Accept-Encoding", tt.accepts)
			}
			x := gateway.Acquire(q.Inbound())
			defer x.Release()
			x.Request.Header.Add("If-None-Match", `"2", W/"1"`)
			x.Request.Unpack, x.Request.Through = true, !tt.decodes
			trailer := gateway.Fields{}
			u := &Unpacked{Next: connect(func(_ context.Context, x *gateway.Exchange) error {
				r := &x.Response
				r.Status = tt.status
				for i := 0; i < len(tt.header); i += 2 {
					r.Header.Add(tt.header[i], tt.header[i+1])
				}
				r.Body = body.FromStream(io.NopCloser(bytes.NewReader([]byte(tt.text))), int64(len(tt.text)))
				trailer = gateway.Fields{{Name: "Repr-Digest", Value: "x"}, {Name: "Etag", Value: `"1"`}, {Name: "X-Sum", Value: "1"}}
				r.Trailer = &trailer
				return nil
			})}
			if err := u.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			var header []string
			for _, f := range x.Response.Header {
				header = append(header, f.Name, f.Value)
			}
			raw, err := x.Response.Body.Bytes(0)
			if fmt.Sprintf("%q", header) != fmt.Sprintf("%q", tt.want) || string(raw) != tt.body || err != nil {
				t.Errorf("%q %q, %v, want %q %q", header, raw, err, tt.want, tt.body)
			}
			want := `[{Repr-Digest x} {Etag "1"} {X-Sum 1}]`
			if tt.body == "hello" && !tt.decodes {
				want = `[{Etag W/"1"} {X-Sum 1}]`
			}
			if got := fmt.Sprint(trailer); got != want {
				t.Errorf("trailers %s, want %s", got, want)
			}
		})
	}
}

type connect func(context.Context, *gateway.Exchange) error

func (c connect) Do(ctx context.Context, x *gateway.Exchange) error { return c(ctx, x) }
