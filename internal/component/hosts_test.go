package component_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
)

// TestHosts reads a host as each kind of them: in the form in which it is called, or
// with what is wrong with it.
func TestHosts(t *testing.T) {
	queue := component.URL("amqp", "amqps")
	if want := "amqp://name[:port][/path] or amqps://name[:port][/path]"; queue.Form != want {
		t.Errorf("form %q, want %q", queue.Form, want)
	}
	tests := []struct {
		kind              *component.Hosts
		host, want, wrong string
	}{
		{component.HTTPHosts, "h", "http://h", ""},
		{component.HTTPHosts, "h:50051", "http://h:50051", ""},
		{component.HTTPHosts, "HTTPS://H:1/base//", "https://H:1/base", ""},
		{component.HTTPHosts, "[::1]:80", "http://[::1]:80", ""},
		{component.HTTPHosts, "amqp://h", "", "the scheme is not http or https"},
		{component.HTTPHosts, "http://u:p@h", "", "it holds user information, which is not sent"},
		{component.HTTPHosts, "http://h:0", "", "the port is not between 1 and 65535"},
		{component.HTTPHosts, "http://h/a b", "", "the base path holds a character that must be escaped"},
		{component.NamePort, "h:50051", "h:50051", ""},
		{component.NamePort, "[::1]:50051", "[::1]:50051", ""},
		{component.NamePort, "h", "", "the port is missing"},
		{component.NamePort, "[::1]", "", "the port is missing"},
		{component.NamePort, "http://h:1", "", "it has a scheme"},
		{component.NamePort, "h:1/x", "", "it has a path"},
		{component.NamePort, ":1", "", "the name is empty"},
		{component.NamePort, "u@h:1", "", "a name holds letters, digits, dots, hyphens and underscores"},
		{queue, "amqp://u:p/@h:5672/vhost", "", "the port is not between 1 and 65535"},
		{queue, "amqp://u:p@h:5672/vhost?heartbeat=5", "amqp://u:p@h:5672/vhost?heartbeat=5", ""},
		{queue, "AMQPS://h", "AMQPS://h", ""},
		{component.HTTPHosts, "http\u017f://h", "", "the scheme is not http or https"},
		{queue, "amqp\u017f://h", "", "the scheme is not amqp or amqps"}, // a long s
		{queue, "h:5672", "", "it has no scheme"},
		{queue, "http://h", "", "the scheme is not amqp or amqps"},
		{queue, "amqp://", "", "the name is empty"},
		{queue, "amqp://h/a b", "", "the base path holds a character that must be escaped"},
	}
	for _, tt := range tests {
		got, err := tt.kind.Read(tt.host)
		if err != nil && err.Error() != tt.wrong || (err != nil) != (tt.wrong != "") || got != tt.want {
			t.Errorf("%s as %s: %q, %v; want %q, %s", tt.host, tt.kind.Form, got, err, tt.want, tt.wrong)
		}
	}
}
