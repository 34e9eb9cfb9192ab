package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Options bound a document.
type Options struct {
	Header    gateway.Fields // sent with every request; canonical names
	Limit     int64          // most bytes of the document, before and after unpacking; positive
	Redirects int            // how many are followed
}

// A Document is what a URL leads to.
type Document struct {
	Type string // Content-Type, as sent
	Body []byte // unpacked
}

// Reasons why there is no document.
var (
	ErrInsecure  = errors.New("redirected from https to http")
	ErrRedirects = errors.New("too many redirects")
	ErrTooLarge  = errors.New("the document is too large")
)

// A StatusError is an answer that is neither 200 nor a redirect.
type StatusError struct{ Status int }

// Error names the status.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d instead of 200", e.Status) }

// Get returns the document at an absolute http or https URL. User and password
// in the URL are sent by basic authentication, to that host only.
//
// The error names the URL that failed, without its password and query, and
// wraps [ErrInsecure], [ErrRedirects], [ErrTooLarge], a *[StatusError], or the
// error of the connector.
//
// The document is the caller's. Get is safe for concurrent use if c is.
func Get(ctx context.Context, c gateway.Connector, address string, o Options) (Document, error) {
	u, err := Parse(address)
	if err != nil {
		return Document{}, err
	}
	for followed := 0; ; followed++ {
		d, next, err := get(ctx, c, u, o)
		if err == nil && next == nil {
			return d, nil
		}
		if err == nil && followed == o.Redirects {
			err = ErrRedirects
		}
		if err != nil {
			return Document{}, fmt.Errorf("get %s: %w", printable(u), err)
		}
		u = next
	}
}

// Parse reads an absolute URL with the scheme http or https and a host. The
// error does not repeat the address, which may hold a password.
func Parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("the text is no URL; write https://host/path")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL has neither the scheme http nor https; write https://host/path")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host; write https://host/path")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// printable returns u as errors may show it.
func printable(u *url.URL) string {
	p := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return p.String()
}

// follow returns where a redirect of u leads.
func follow(u *url.URL, location string) (*url.URL, error) {
	ref, err := url.Parse(location)
	if err != nil {
		return nil, errors.New("redirected to a text that is no URL")
	}
	next, err := Parse(u.ResolveReference(ref).String())
	if err != nil {
		return nil, fmt.Errorf("redirected: %w", err)
	}
	if u.Scheme == "https" && next.Scheme == "http" {
		return nil, ErrInsecure
	}
	return next, nil
}

// get makes one call. It returns the document, or where else it is.
func get(ctx context.Context, c gateway.Connector, u *url.URL, o Options) (d Document, next *url.URL, err error) {
	x := gateway.Call("GET", u)
	defer x.Release()
	r := &x.Request
	r.Header = append(r.Header, o.Header...)
	r.Header.Set("Accept-Encoding", "gzip")
	if u.User != nil {
		password, _ := u.User.Password()
		credentials := u.User.Username() + ":" + password
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	if err := c.Do(ctx, x); err != nil {
		return d, nil, err
	}
	switch a := &x.Response; a.Status {
	case 200:
		d.Type = strings.Clone(a.Header.Get("Content-Type"))
		d.Body, err = read(&a.Body, strings.Join(a.Header.AppendValues(nil, "Content-Encoding"), ","), o.Limit)
		return d, nil, err
	case 301, 302, 303, 307, 308:
		if to := a.Header.Get("Location"); to != "" {
			next, err = follow(u, to)
			return d, next, err
		}
	}
	return d, nil, &StatusError{x.Response.Status}
}

// read returns the bytes of an answer, unpacked.
func read(b *body.Body, encoding string, limit int64) ([]byte, error) {
	raw, err := b.Bytes(limit)
	switch {
	case err != nil:
	case body.IsGzip(encoding):
		failed := func(err error) error { return fmt.Errorf("unpack: %w", err) }
		plain := body.FromStream(body.Unpack(io.NopCloser(bytes.NewReader(raw)), failed), -1)
		defer plain.Close()
		raw, err = plain.Bytes(limit)
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return nil, fmt.Errorf("the content encoding %q was not asked for", encoding)
	}
	if errors.Is(err, body.ErrTooLarge) || int64(len(raw)) > limit {
		return nil, ErrTooLarge
	}
	return bytes.Clone(raw), err
}
