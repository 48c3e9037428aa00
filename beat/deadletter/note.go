package deadletter

import "github.com/elastic/beats/v7/libbeat/beat"

// Note tells whoever keeps account of an event that it is a dead letter by now: what an event has
// in Private is told if it has a method DeadLettered(), and nothing happens if it has none, as
// with libbeat's disk queue, which loses Private. Outputs call it once for each event they have
// put aside, before they acknowledge it.
func Note(ev *beat.Event) {
	if p, ok := ev.Private.(interface{ DeadLettered() }); ok {
		p.DeadLettered()
	}
}

// NoteDropped is Note for an event that the output has thrown away, as its configuration wants: a
// method Dropped() is told.
func NoteDropped(ev *beat.Event) {
	if p, ok := ev.Private.(interface{ Dropped() }); ok {
		p.Dropped()
	}
}

// TakesBack says whether whoever has given an event wants it back when a queue does not take it, and deals with it then: a method
// TakesBack() of what the event has in Private is asked. Else the queue puts the event aside.
func TakesBack(ev *beat.Event) bool {
	p, ok := ev.Private.(interface{ TakesBack() bool })
	return ok && p.TakesBack()
}
