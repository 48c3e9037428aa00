package listen

import (
	"net"
	"testing"
)

// A connection that is needed is never closed for another one; of the idle ones it is the longest idle.
func TestListener(t *testing.T) {
	told := 0
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	l := Bounded(raw, nil, 2, func(by int) { told += by }).(*listener)
	conns := map[string]*conn{}
	admit := func(name string, want bool) {
		t.Helper()
		near, far := net.Pipe()
		t.Cleanup(func() { far.Close() })
		c := &conn{Conn: near, listener: l}
		conns[name] = c
		if got, _ := l.admit(c); got != want {
			t.Fatalf("%s is admitted: %v, want %v", name, got, want)
		}
	}
	state := func(want string) {
		t.Helper()
		got := ""
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			if c := conns[name]; c != nil && !c.left {
				got += name
			}
		}
		if got != want || l.open != len(want) || told != len(want) {
			t.Errorf("open are %s (%d, %d), want %s", got, l.open, told, want)
		}
	}
	// older makes the idle connections so old that they may go.
	older := func() {
		for _, c := range conns {
			c.since = c.since.Add(-grace)
		}
	}
	admit("a", true)
	admit("b", true)
	admit("c", false) // they may be about to send
	older()
	admit("c", true)
	state("bc")
	conns["b"].occupy(true)
	older()
	admit("d", true)
	state("bd")
	conns["d"].occupy(true)
	admit("e", false)
	delete(conns, "e")
	state("bd")
	conns["b"].occupy(false)
	conns["d"].occupy(false)
	conns["b"].occupy(true) // the next request
	older()
	admit("e", true)
	state("be")
	conns["e"].Close()
	conns["e"].Close()
	conns["e"].occupy(false)
	state("b")
	admit("f", true)
	state("bf")

	// Accept waits until there is a place.
	conns["f"].occupy(true)
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	client, err := net.Dial("tcp", raw.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conns["b"].Close()
	(<-accepted).Close()
	state("f")
	go l.Close()
	if c, err := l.Accept(); err == nil {
		t.Errorf("accepted %v after the end", c.RemoteAddr())
	}
}
