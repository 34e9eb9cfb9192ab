package amqptest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A Server is a RabbitMQ server behind a proxy.
type Server struct {
	*testx.Proxy
	URL    string // through the proxy
	direct string
}

// broker is the server that all tests of the binary share.
type broker struct {
	folder  string
	port    string
	env     []string
	epmd    *exec.Cmd
	process *exec.Cmd
	log     *bytes.Buffer
	over    map[string]bool // names of tests that have ended
}

var shared struct {
	sync.Mutex
	b *broker
}

// Main runs the tests of a package, and ends the server if one of them has started it.
func Main(m interface{ Run() int }) int {
	defer func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.b != nil {
			shared.b.end()
		}
	}()
	return m.Run()
}

// Start returns the server, which is running, with a proxy of its own for the test. Queues and
// exchanges are those of all tests, so that their names are of one alone; a test that runs
// again, as with -count, finds nothing of what was there before. The package of the test has a
// TestMain that calls [Main].
func Start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.b == nil {
		b, err := prepare()
		if err != nil {
			t.Fatal(err)
		}
		shared.b = b
	}
	if shared.b.over[t.Name()] {
		if err := shared.b.empty(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		shared.b.over[t.Name()] = true
	})
	if shared.b.process == nil {
		if err := shared.b.start(); err != nil {
			t.Fatal(err)
		}
	}
	direct := "127.0.0.1:" + shared.b.port
	s := &Server{Proxy: testx.NewProxy(t, direct), direct: direct}
	s.URL = "amqp://guest:guest@" + s.Address + "/"
	return s
}

// Kill ends the server as a loss of power does.
func (s *Server) Kill() {
	shared.Lock()
	defer shared.Unlock()
	shared.b.kill()
}

// Revive starts the server again, and returns when it takes connections.
func (s *Server) Revive() error {
	shared.Lock()
	defer shared.Unlock()
	return shared.b.start()
}

// Channel returns a channel of a connection that does not go through the proxy.
func (s *Server) Channel(t testing.TB) *client.Channel {
	t.Helper()
	c, err := client.Dial("amqp://guest:guest@" + s.direct + "/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// Queue declares a durable queue of its own for the test that gets all that is published to
// an exchange of the type topic, and returns a function that takes what is there.
func (s *Server) Queue(t testing.TB, exchange, name string) (take func() *client.Delivery) {
	t.Helper()
	ch := s.Channel(t)
	err := ch.ExchangeDeclare(exchange, "topic", true, false, false, false, nil)
	if err == nil {
		_, err = ch.QueueDeclare(name, true, false, false, false, nil)
	}
	if err == nil {
		err = ch.QueueBind(name, "#", exchange, false, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() *client.Delivery {
		t.Helper()
		d, ok, err := ch.Get(name, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return nil
		}
		return &d
	}
}

// Put publishes messages to a queue.
func (s *Server) Put(t testing.TB, queue string, ms ...client.Publishing) {
	t.Helper()
	ch := s.Channel(t)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		word, err := ch.PublishWithDeferredConfirm("", queue, true, false, m)
		if err != nil {
			t.Fatal(err)
		}
		if !word.Wait() {
			t.Fatal("not confirmed")
		}
	}
}

// Count returns how many messages of a queue nobody has got.
func (s *Server) Count(t testing.TB, queue string) int {
	t.Helper()
	q, err := s.Channel(t).QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

// executable finds a program of the server. The one in the path of Debian changes the user,
// and the one behind it does not.
func executable(name string) (string, error) {
	for _, at := range []string{"/usr/lib/rabbitmq/bin/" + name, name} {
		if path, err := exec.LookPath(at); err == nil {
			return path, nil
		}
	}
	return "", errors.New(name + " is not installed; on Debian, as root: make deps, or apt-get install rabbitmq-server")
}

func prepare() (*broker, error) {
	folder, err := os.MkdirTemp("", "rabbitmq")
	if err != nil {
		return nil, err
	}
	b := &broker{folder: folder, over: make(map[string]bool)}
	ports, err := free(3)
	if err != nil {
		return nil, err
	}
	b.port = ports[0]
	b.env = append(os.Environ(),
		"RUNNING_UNDER_SYSTEMD=true", // and so in the place of the shell, not below it
		"HOME="+folder, "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+ports[2],
		"RABBITMQ_NODENAME=test"+ports[0]+"@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT="+ports[0], "RABBITMQ_DIST_PORT="+ports[1],
		"RABBITMQ_MNESIA_BASE="+b.disk(), "RABBITMQ_LOG_BASE="+filepath.Join(folder, "log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(folder, "plugins"), "RABBITMQ_CONFIG_FILE="+filepath.Join(folder, "none"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
	)
	path, err := executable("epmd")
	if err != nil {
		return nil, err
	}
	b.epmd = exec.Command(path, "-port", ports[2], "-address", "127.0.0.1")
	return b, b.epmd.Start()
}

// free returns ports that nobody uses now.
func free(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}

func (b *broker) start() error {
	path, err := executable("rabbitmq-server")
	if err != nil {
		return err
	}
	b.log = new(bytes.Buffer)
	b.process = exec.Command(path)
	b.process.Env, b.process.Stdout, b.process.Stderr = b.env, b.log, b.log
	b.process.Dir = b.folder
	b.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.process.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		var c *client.Connection
		if c, err = client.Dial("amqp://guest:guest@127.0.0.1:" + b.port + "/"); err == nil {
			return c.Close()
		}
	}
	b.kill()
	return fmt.Errorf("RabbitMQ does not start: %w\n%s", err, strings.TrimSpace(b.log.String()))
}

// kill ends the processes of the server.
func (b *broker) kill() {
	if b.process == nil {
		return
	}
	syscall.Kill(-b.process.Process.Pid, syscall.SIGKILL)
	b.process.Wait()
	b.process = nil
}

// disk is the folder of what the server keeps.
func (b *broker) disk() string { return filepath.Join(b.folder, "mnesia") }

// empty ends the server and takes away what it has kept.
func (b *broker) empty() error {
	b.kill()
	clear(b.over)
	return os.RemoveAll(b.disk())
}

func (b *broker) end() {
	b.kill()
	b.epmd.Process.Kill()
	b.epmd.Wait()
	os.RemoveAll(b.folder)
}

// Alarm lets the server find that it is short of memory, and take no messages, or that it is
// not any more.
func (s *Server) Alarm(t testing.TB, on bool) {
	t.Helper()
	watermark := "0.4"
	if on {
		watermark = "0.000001"
	}
	s.control(t, "set_vm_memory_high_watermark", watermark)
}

// MaxSize is how long a message may be that comes by a channel which is opened from now on. The
// test sets it back, to [DefaultMaxSize].
func (s *Server) MaxSize(t testing.TB, n int) {
	t.Helper()
	s.control(t, "eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %d).", n))
}

// DefaultMaxSize is how long a message may be where nobody says so.
const DefaultMaxSize = 128 << 20

// control asks something of the server that no client can.
func (s *Server) control(t testing.TB, args ...string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	path, err := executable("rabbitmqctl")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = shared.b.env
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
