package status

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/podbeat/podbeat/test/services"
)

// A wire is a proxy before a server, which can swallow what is sent, or be as if the server were dead.
type wire struct {
	addr string // of the proxy

	t      testing.TB
	target string
	mu     sync.Mutex
	l      net.Listener
	conns  map[net.Conn]bool
	mute   bool
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.Host
	}
	w := &wire{t: t, target: target, addr: services.Address(t), conns: map[net.Conn]bool{}}
	w.join()
	t.Cleanup(w.cut)
	return w
}

func (w *wire) url() string { return "http://" + w.addr }

// join lets everything pass.
func (w *wire) join() {
	w.t.Helper()
	w.cut()
	l, err := net.Listen("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.l, w.mute = l, false
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(l, c)
		}
	}()
}

// cut ends all connections and refuses new ones.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.l != nil {
		w.l.Close()
		w.l = nil
	}
	for c := range w.conns {
		c.Close()
	}
	clear(w.conns)
}

// swallow takes connections and whatever comes on them, and answers nothing.
func (w *wire) swallow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute = true
}

func (w *wire) silent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mute
}

// serve hands on what comes on a connection to l, unless this has been cut meanwhile.
func (w *wire) serve(l net.Listener, c net.Conn) {
	out, err := net.Dial("tcp", w.target)
	if err != nil {
		c.Close()
		return
	}
	w.mu.Lock()
	cut := w.l != l
	if !cut {
		w.conns[c], w.conns[out] = true, true
	}
	w.mu.Unlock()
	if cut {
		c.Close()
		out.Close()
		return
	}
	pump := func(to, from net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 && !w.silent() {
				if _, err := to.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		if !w.silent() {
			to.Close()
		}
	}
	go pump(out, c)
	pump(c, out)
}

func TestWire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("imok"))
			c.Close()
		}
	}()
	w := newWire(t, l.Addr().String())
	say := func() bool {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			return false
		}
		defer c.Close()
		b := make([]byte, 10)
		n, _ := c.Read(b)
		return strings.HasPrefix(string(b[:n]), "imok")
	}
	if !say() {
		t.Error("nothing passes")
	}
	if w.cut(); say() {
		t.Error("it is cut, and something passes")
	}
	if w.join(); !say() {
		t.Error("nothing passes again")
	}
}
