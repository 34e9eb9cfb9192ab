package nats

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
)

const (
	variable = "NATS_SERVER_URL"
	example  = "nats://queue.internal:4222"
)

var schemes = []string{"nats", "tls"}

var hosts = component.URL(schemes...)

// servers takes an address apart: one URL or several with commas between them, with the
// scheme nats or tls, or none for the first. The error shows nothing of it, which
// may hold secrets.
func servers(text string) (urls []string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		u, err := url.Parse(part)
		switch {
		case err != nil || u.Hostname() == "":
			return nil, errors.New("it is no address of a server; write " + example)
		case !slices.Contains(schemes, u.Scheme):
			return nil, errors.New("the scheme of a server is " + strings.Join(schemes, " or ") + "; write " + example)
		case u.User != nil && len(urls) > 0 && !strings.Contains(urls[0], "@"): // what stands in front of it is of a password, as a rule
			return nil, errors.New("user and password stand at the first server or at each; write a comma in a password as %2C")
		case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
			return nil, errors.New("nothing stands behind name and port; write " + example)
		}
		if _, err := hosts.Read(part); err != nil {
			return nil, fmt.Errorf("it is no address of a server, %w; write %s", err, example)
		}
		urls = append(urls, part)
	}
	return urls, nil
}

// secure reports whether TLS is wanted of any of the servers; then it is of all.
func secure(urls []string) bool {
	return slices.ContainsFunc(urls, func(text string) bool {
		scheme, _, _ := strings.Cut(text, ":")
		return strings.EqualFold(scheme, "tls")
	})
}

// public returns addresses without what is secret in them, for logs.
func public(urls []string) string {
	var names []string
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil {
			names = append(names, u.Scheme+"://"+u.Host)
		}
	}
	return strings.Join(names, ",")
}

// checkSubject says what is wrong with a subject. Wildcards are for those who listen.
//
// Source: docs.nats.io, subjects: tokens with dots between them, none of them empty, * for
// one of them and > for all that follow.
func checkSubject(subject string, listens bool) error {
	if strings.ContainsFunc(subject, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return errors.New("a subject holds no blanks and no control characters")
	}
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return errors.New("a subject is made of words with dots between them, such as orders.created; one of them is empty")
		case (token == "*" || token == ">") && !listens:
			return errors.New("a message has one subject; wildcards are for subscriptions")
		case token == ">" && i < len(tokens)-1:
			return errors.New("> is the last word of a subject; write * for a single word")
		}
	}
	return nil
}

// checkHost says what is wrong behind the scheme of a host: a part of a subject may stand
// there, and no address of a server.
func checkHost(after string) error {
	if strings.ContainsAny(after, ":/") {
		return errors.New("the address of the server stands in " + variable + " or in the option server; write nats:// alone")
	}
	return nil
}
