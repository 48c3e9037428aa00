package queue

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// A burying is libbeat's queue on disk, which never takes an event larger than a segment. Here such an event is a dead letter,
// and acknowledged in its turn: an input whose event is refused takes that for the pipeline's end, and reads no more.
type burying struct {
	queue.Queue
	listener queue.ACKListener // may be nil
	letters  deadletter.File
	letGo    func()
	log      *logp.Logger
	closing  chan struct{}
	once     sync.Once

	mu    sync.Mutex
	said  time.Time // when the log was told last
	since int       // dead letters since
}

// The error.type of its dead letters, as of the input kafka's, and what their error.message says.
const (
	notQueued = "not_queued"
	whyNot    = "queue.disk does not take the event: it is too large for a segment of the queue, or cannot be encoded; " +
		"raise queue.disk.max_size (a segment is a tenth of it) or queue.disk.segment_size"
)

// sayEvery is how often the log is told of dead letters.
const sayEvery = time.Minute

// deadLetter counts the events that the queue could not take, put aside.
var deadLetter = monitoring.NewUint(monitoring.Default, "podbeat.queue.dead_letter")

func bury(q queue.Queue, listener queue.ACKListener, log *logp.Logger) *burying {
	b := &burying{
		Queue: q, listener: listener, log: log, closing: make(chan struct{}),
		letters: deadletter.File{Path: paths.Resolve(paths.Data, "dead-letter.ndjson"), MaxBytes: 64 << 20, Files: 8},
	}
	b.letGo = b.letters.Use()
	return b
}

// Close has nobody wait for the file of dead letters.
func (b *burying) Close() error {
	b.once.Do(func() { close(b.closing) }) // before the queue's own: what it refuses from then on is not buried
	b.letGo()
	return b.Queue.Close()
}

// Producer returns one more who publishes.
func (b *burying) Producer(c queue.ProducerConfig) queue.Producer {
	p := &burier{queue: b, told: c.ACK, cancelled: make(chan struct{})}
	c.ACK = p.acknowledged
	p.Producer = b.Queue.Producer(c)
	return p
}

// A burier publishes one event after the other, as libbeat's clients do.
type burier struct {
	queue.Producer
	queue     *burying
	told      func(n int) // that its n oldest events have left; may be nil
	cancelled chan struct{}
	once      sync.Once
	taken     atomic.Int64 // events that libbeat's queue has

	mu      sync.Mutex
	acked   int64   // of taken
	buried  []int64 // dead letters whose turn has not come: how many events were taken before each
	due     int     // events to be told of
	telling bool    // somebody does
}

// Publish waits for room, or for the file of dead letters. It returns false when the producer or the queue ends, and for
// an event that whoever gave it wants back.
func (p *burier) Publish(e publisher.Event) bool {
	if p.Producer.Publish(e) {
		p.taken.Add(1)
		return true
	}
	// Cancel and Close say so before libbeat's queue knows of it: if none has, it has refused the event itself.
	if p.over() || deadletter.TakesBack(&e.Content) || !p.bury(&e.Content) {
		return false
	}
	if p.told != nil {
		p.mu.Lock()
		p.buried = append(p.buried, p.taken.Load())
		p.mu.Unlock()
	}
	if p.queue.listener != nil {
		p.queue.listener.OnACK(1)
	}
	go p.acknowledged(0) // not by who publishes, who may hold what an acknowledgement needs
	return true
}

// Cancel ends the producer. What is published stays.
func (p *burier) Cancel() int {
	p.once.Do(func() { close(p.cancelled) })
	return p.Producer.Cancel()
}

func (p *burier) over() bool {
	select {
	case <-p.cancelled:
		return true
	case <-p.queue.closing:
		return true
	default:
		return false
	}
}

// acknowledged tells of n more events that libbeat's queue has written, and of the dead letters whose turn it is. One goroutine at a
// time tells: else an input could hear of its last events before those in front of them, and store the older position.
func (p *burier) acknowledged(n int) {
	if p.told == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked += int64(n)
	for len(p.buried) > 0 && p.buried[0] <= p.acked {
		p.buried = p.buried[1:]
		n++
	}
	if p.due += n; p.telling {
		return // the other one does it
	}
	p.telling = true
	for p.due > 0 {
		n, p.due = p.due, 0
		p.mu.Unlock()
		p.told(n)
		p.mu.Lock()
	}
	p.telling = false
}

// bury writes the dead letter, as often as it takes; false: the producer or the queue ends before.
func (p *burier) bury(ev *beat.Event) bool {
	b := p.queue
	prepared.Ordinary(ev)
	text, _ := encode.Encoder{Lenient: true}.Message(nil, ev, "podbeat", "") // a lenient encoder has no errors
	id, _ := ev.Meta["_id"].(string)
	letter := deadletter.Letter{Time: ev.Timestamp, Event: string(text), Type: notQueued, Reason: whyNot, ID: id}
	line := append(letter.Append(nil), '\n')
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := b.letters.LikeOthers().Append(line) // the output may have options for the same file
		if err == nil {
			break
		}
		b.log.Errorf("An input waits, and nothing of it is skipped: an event is too large for queue.disk, and %v", err)
		select {
		case <-p.cancelled:
			return false
		case <-b.closing:
			return false
		case <-time.After(wait):
		}
	}
	deadletter.Note(ev)
	deadLetter.Inc()
	b.tell(id, len(text))
	return true
}

// tell has the log know of dead letters, now and then.
func (b *burying) tell(id string, size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since++
	if now := time.Now(); now.Sub(b.said) >= sayEvery {
		b.log.Warnf("%d events are not for the queue, now in %s. One of them: %d bytes as JSON, id %.128q: %s", b.since, b.letters.Path, size, id, whyNot)
		b.said, b.since = now, 0
	}
}
