package follow

import (
	"fmt"
	"runtime"
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

// Nobody gives a file a turn before it is known after which others it is to be read.
func TestOrderIsKnownBeforeTheFirstTurn(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	tracker := s.run.tracker
	for i := range 5000 {
		tracker.early = append(tracker.early, &file{dir: "/p", last: fmt.Sprintf("/p/app.log.%d", i), shard: s})
	}
	early := tracker.early
	known := make(chan bool)
	go func() {
		for !tracker.began.Load() {
			runtime.Gosched()
		}
		known <- early[len(early)-1].after != nil
	}()
	tracker.scanned(true)
	if !<-known {
		t.Error("a file may be read before the one that is to come first")
	}
}
