package deadletter

import (
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
)

type account struct{ dead, dropped int }

func (a *account) DeadLettered() { a.dead++ }
func (a *account) Dropped()      { a.dropped++ }

func TestNote(t *testing.T) {
	var told account
	f := func(note func(*beat.Event), private any, want account) {
		t.Helper()
		told = account{}
		note(&beat.Event{Private: private})
		if told != want {
			t.Errorf("%T: got %v, want %v", private, told, want)
		}
	}
	f(Note, nil, account{})
	f(Note, "position", account{})
	f(Note, &told, account{dead: 1})
	f(NoteDropped, nil, account{})
	f(NoteDropped, &told, account{dropped: 1})
}
