package amqp

import (
	"strings"
	"testing"
)

// FuzzParse: an address that is taken has a name without secrets, and one that is not is
// told of without them.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"amqp://user:qzqzqz@a:5672/v", "amqps://qzqzqz@[::1]", "amqp://a/%2F?heartbeat=qzqzqz", "amqp:///qzqzqz", "amqp://a:b:qzqzqz@c", "amqp://u:%71zqzqz@a", "amqp://u:p@qzqzqz@a", "amqp://u:1?qzqzqz@a", "amqp://u:1/qzqzqz@a", "amqp://u:1#qzqzqz@a", "amqp://a/?qzqzqz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "qzqzqz") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if a.Host == "" || a.Scheme != "amqp" && a.Scheme != "amqps" {
			t.Errorf("%q: %+v", text, a)
		}
		if name := public(a); a.Password != "guest" && len(a.Password) > 5 && strings.Contains(name, a.Password) && !strings.Contains(a.Vhost+a.Host, a.Password) {
			t.Errorf("%q is called %q", text, name)
		}
	})
}
