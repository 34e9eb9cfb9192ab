package queue

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/tlsx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// An Address is where messages go to or come from: the host of a backend, with what the
// options say right behind it.
type Address struct {
	Scheme string     // in lower case
	Path   string     // between the scheme and the query, not empty and not escaped: "orders", "queue.internal/123/orders", "/arn:aws:sns:..."
	Query  url.Values // never nil

	// Site is the name of whose address it is, such as that of a backend, by which two
	// subscribers of one address are told apart.
	Site string

	// Server is where the broker is, as the options say; "" if they leave that to the
	// environment. It may hold secrets; see [Address.Broker].
	Server string

	// ClientTLS is what the options say of TLS, at client_tls; nil leaves it to the root.
	ClientTLS *model.ClientTLS

	Backoff live.Backoff
	Retries int // as [live.Options] has them

	// Limit is how many bytes the body of a message may have that is received; 0 is no limit. A
	// driver that cannot see to that leaves it to those who read the body.
	Limit int64

	// Envelope asks for the form of messages that was written before; see
	// [Address.HasEnvelope].
	Envelope bool

	// Passing names the header fields of clients that messages may have; see [Passing]. A
	// driver whose broker takes orders by attributes leaves those out that * alone lets through.
	Passing []string

	key    string // of the options
	driver *Driver
	at     *component.Site
}

// NewAddress puts the two halves of an address together. Site is the name of whose it is, and
// key that of the second half in the options. The host was read by [ReadHost]. The error is
// one of the build.
func NewAddress(s *component.Site, site, key, host, rest string) (*Address, error) {
	d, after, err := find(host)
	if err != nil {
		return nil, err // which ReadHost has told, unless nobody asked it
	}
	a := &Address{Scheme: d.Scheme, Site: site, key: key, driver: d, at: s}
	path, query, _ := strings.Cut(after+rest, "?")
	if strings.Contains(path, "@") {
		return nil, config.At(key, errors.New("it holds an @; credentials stand in the environment, and an @ that is meant is written %40"))
	}
	if a.Path, err = url.PathUnescape(path); err != nil {
		return nil, config.At(key, errors.New("a % is followed by two hexadecimal digits; write %25 for one that is meant"))
	}
	if a.Path == "" {
		return nil, config.At(key, errors.New("it names nothing; write the topic, the queue or the subscription"))
	}
	if a.Query, err = url.ParseQuery(query); err != nil {
		return nil, config.At(key, errors.New("the parameters behind the ? cannot be read; write name=value with & between them, and % escaped as %25"))
	}
	return a, nil
}

// String returns the address for people: without its parameters, which may be secrets.
func (a *Address) String() string { return a.Scheme + "://" + a.Path }

// HasEnvelope reports whether the driver has an old form of messages, for Envelope.
func (a *Address) HasEnvelope() bool { return a.driver.Envelope }

// Only returns an error if the address has other parameters than these, or one of them
// twice that is not among the repeated.
func (a *Address) Only(names, repeated []string) error {
	known := slices.Sorted(slices.Values(slices.Concat(names, repeated)))
	for _, name := range slices.Sorted(maps.Keys(a.Query)) {
		switch {
		case slices.Contains(repeated, name):
		case !slices.Contains(names, name):
			if near, found := config.Suggest(name, known); found {
				return fmt.Errorf("unknown parameter %q; did you mean %q?", name, near)
			}
			if len(known) == 0 {
				return fmt.Errorf("unknown parameter %q; %s:// has none here", name, a.Scheme)
			}
			return fmt.Errorf("unknown parameter %q; %s:// knows %s here", name, a.Scheme, strings.Join(known, ", "))
		case len(a.Query[name]) > 1:
			return fmt.Errorf("the parameter %q occurs twice; keep one", name)
		}
	}
	return nil
}

// Number returns what a parameter says, a number from 1 to most, or the one without it.
func (a *Address) Number(name string, without, most int) (int, error) {
	if !a.Query.Has(name) {
		return without, nil
	}
	n, err := strconv.Atoi(a.Query.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("the parameter %s is a number from 1 to %d", name, most)
	}
	return n, nil
}

// Flag returns whether a parameter says true.
func (a *Address) Flag(name string) (bool, error) {
	if !a.Query.Has(name) {
		return false, nil
	}
	on, err := strconv.ParseBool(a.Query.Get(name))
	if err != nil {
		return false, fmt.Errorf("the parameter %s is true or false", name)
	}
	return on, nil
}

// Broker returns where the broker is: Server, or the value of a variable of the
// environment, such as NATS_SERVER_URL. Example is what may stand there. The text may hold
// secrets. If wrong says what is wrong with it, without them, that is the error, and so is
// that nobody has said where the broker is. Example is the result where that is not known
// here ([component.Site.Elsewhere]).
func (a *Address) Broker(variable, example string, wrong func(text string) error) (string, error) {
	if a.Server != "" {
		if err := wrong(a.Server); err != nil {
			return "", Environment(config.At("server", err))
		}
		return a.Server, nil
	}
	text := a.at.Getenv(variable)
	switch {
	case text == "" && a.at.Elsewhere():
		return example, nil
	case text == "":
		return "", Environment(fmt.Errorf("nobody says where the broker is; set the variable %s, such as %s, or write \"server\"", variable, example))
	}
	if err := wrong(text); err != nil {
		return "", Environment(fmt.Errorf("the variable %s: %w", variable, err))
	}
	return text, nil
}

// TLS is [TLS] by the options of the address. It is for drivers whose broker may want TLS.
func (a *Address) TLS() (settings *tls.Config, id string, err error) {
	if settings, id, err = TLS(a.at, a.ClientTLS); err != nil {
		return nil, "", Environment(err)
	}
	return settings, id, nil
}

// TLS returns the settings of TLS towards a broker, which are of the caller, and a text
// for an [ID] that is another one for others. O is what the options say at client_tls; nil
// leaves it to the root. The error is one of the build.
func TLS(s *component.Site, o *model.ClientTLS) (settings *tls.Config, id string, err error) {
	if o != nil {
		settings, err = s.TLS("client_tls", o)
	} else {
		o = s.Service().ClientTLS // which was judged at the root
		settings, err = tlsx.Client(o)
	}
	if err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, "", err
	}
	parts := []string{string(text)}
	if o != nil && !o.SkipFiles {
		for _, name := range o.Files() {
			data, err := s.ReadFile(name)
			if err != nil {
				return nil, "", err
			}
			parts = append(parts, string(data))
		}
	}
	return settings, ID(parts...), nil
}

// Live returns the options of a connection to the broker, which people know by name.
func (a *Address) Live(name string) live.Options {
	return live.Options{Name: name, Backoff: a.Backoff, Retries: a.Retries}
}

// Retry returns how the connection is kept up, for an [ID].
func (a *Address) Retry() string { return string(a.Backoff) + " " + strconv.Itoa(a.Retries) }

// ID returns a text that is another one for other parts, and tells nothing of them.
func ID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}
