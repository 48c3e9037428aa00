package follow

import (
	"fmt"
	"testing"
)

// The tracker finds files of new logs while the shard looks among the logs that it has. A map that is read while it is
// written to ends the process.
func TestWelcomeBesideTheShard(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	s.list(&content{rec: record{Path: "/p/app.log"}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30000 {
			s.welcome(&file{last: fmt.Sprintf("/p/app%dx.log", i)})
		}
	}()
	for {
		for range 1000 {
			if len(s.kin("/p/app.log.1")) != 1 {
				t.Fatal("the log is not found")
			}
		}
		if len(s.all()) != 1 {
			t.Fatal("the content is not found")
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
